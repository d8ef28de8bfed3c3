#!/usr/bin/env node
// Runs a benchmark's two sides in turn and prints the ratio of their medians.
//
//   PYTHON=/path/to/python node bench/compare.mjs <benchmark> [--rounds 5] [-- arguments for both sides]
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const here = dirname(fileURLToPath(import.meta.url))
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '5' } },
})
const [name, ...rest] = positionals
const environment = { ...process.env, OMP_WAIT_POLICY: 'PASSIVE' }

const sides = {
  trivium: [process.execPath, ['--import', 'tsx', join(here, name, 'ours.ts'), ...rest]],
  peer: [process.env.PYTHON ?? 'python3', [join(here, name, 'peer.py'), ...rest]],
}

const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1]
const results = { trivium: [], peer: [] }
for (let round = 0; round < Number(values.rounds); round++) {
  for (const [side, [command, args]] of Object.entries(sides)) {
    const child = spawnSync(command, args, { encoding: 'utf8', env: environment, cwd: join(here, '..') })
    if (child.status !== 0) throw new Error(`${side} failed: ${child.stderr}`)
    const { milliseconds, cpuMilliseconds, megabytes, note } = JSON.parse(child.stdout.trim().split('\n').at(-1))
    const cpu = cpuMilliseconds === undefined ? null : median(cpuMilliseconds)
    results[side].push({ milliseconds: median(milliseconds), cpu, megabytes, note })
  }
}
for (const [side, rounds] of Object.entries(results)) {
  const times = rounds.map((round) => round.milliseconds)
  const range = `${Math.min(...times).toFixed(1)}–${Math.max(...times).toFixed(1)}`
  const memory = median(rounds.map((round) => round.megabytes)).toFixed(0)
  process.stdout.write(`${side.padEnd(8)} median ${median(times).toFixed(1)} ms (${range}), peak ${memory} MB\n`)
  for (const { note } of rounds) if (note !== undefined) process.stdout.write(`         ${note}\n`)
}
function ratio(of, key) {
  const pairs = results.trivium.map((ours, i) => results.peer[i][key] / ours[key])
  const [low, high] = [Math.min(...pairs), Math.max(...pairs)]
  const range = `pair by pair ${low.toFixed(2)}–${high.toFixed(2)}x`
  process.stdout.write(`${of} of ours over the peer's: median ${median(pairs).toFixed(2)}x, ${range}\n`)
}
ratio('speed', 'milliseconds')
// Processor time of the whole process: what a machine that is not quiet still tells.
if ([...results.trivium, ...results.peer].every(({ cpu }) => cpu !== null)) ratio('by processor time, speed', 'cpu')
