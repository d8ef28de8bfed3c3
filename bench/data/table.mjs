#!/usr/bin/env node
// Pictures a second of our loader and its peers on the same folder, in turn, medians over rounds.
//
//   PYTHON=/path/to/python node bench/data/table.mjs [--folder bench-pictures] [--pictures 2000] [--rounds 5]
//
// The Python needs torch, torchvision and Pillow; without PYTHON only sharp is compared. torchvision.io is left out, with the reason,
// where its image extension cannot be loaded. On a machine that is busy the ratio of processor time says more than that of rates.
import { spawnSync } from 'node:child_process'
import { loadavg } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const here = dirname(fileURLToPath(import.meta.url))
const { values } = parseArgs({
  options: {
    folder: { type: 'string', default: join(here, '..', '..', 'data', 'bench-pictures') },
    pictures: { type: 'string', default: '2000' },
    rounds: { type: 'string', default: '5' },
  },
})
const node = (file, ...args) => [process.execPath, ['--import', 'tsx', join(here, file), ...args]]
const python = (kind) => [process.env.PYTHON, [join(here, 'peer.py'), values.folder, kind]]
/** @returns the last line of its output as JSON, or why there is none */
function run([command, args]) {
  const child = spawnSync(command, args, { encoding: 'utf8', cwd: join(here, '..', '..'), stdio: ['ignore', 'pipe', 'pipe'] })
  if (child.error) return { unavailable: child.error.message }
  try {
    return JSON.parse(child.stdout.trim().split('\n').at(-1))
  } catch {
    return { unavailable: `exit code ${child.status}: ${child.stderr.trim().split('\n').at(-1)}` }
  }
}
const made = spawnSync(...node('pictures.ts', values.folder, values.pictures), { stdio: ['ignore', 'ignore', 'inherit'], cwd: join(here, '..', '..') })
if (made.status !== 0) throw new Error('the pictures could not be made')
const sides = {
  trivium: node('ours.ts', values.folder),
  'trivium, sharp decodes': node('ours.ts', values.folder, 'sharp'),
  'sharp, 4 at a time': node('sharp.ts', values.folder),
  ...(process.env.PYTHON && { 'Pillow, 2 workers': python('pillow'), 'torchvision.io, 2 workers': python('torchvision') }),
}
const names = { decoded: 'decoding', first: 'first epoch, writing the cache', packed: 'from the packed cache' }
const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1]
const rows = new Map()
const loads = []
for (let round = 0; round < Number(values.rounds); round++) {
  for (const [side, command] of Object.entries(sides)) {
    loads.push(loadavg()[0])
    const result = run(command)
    if (result.unavailable !== undefined) {
      process.stderr.write(`${side}: left out: ${result.unavailable}\n`)
      delete sides[side]
      continue
    }
    for (const [part, name] of Object.entries(names)) {
      if (result[part] === undefined) continue
      const key = side.startsWith('trivium') ? `${side} · ${name}` : side
      const row = rows.get(key) ?? { rates: [], cpu: [] }
      rows.set(key, row)
      row.rates.push(result[part])
      if (result[`cpu_${part}`] !== undefined) row.cpu.push(result[`cpu_${part}`])
    }
  }
}
const ours = Object.fromEntries(Object.entries(names).map(([part, name]) => [part, rows.get(`trivium · ${name}`)]))
if (ours.decoded === undefined) throw new Error('our own side failed')
const times = (part, row) => `${(median(ours[part].rates) / median(row.rates)).toFixed(2)}×`
const spared = (part, row) => (row.cpu.length === 0 ? '' : ` (${(median(row.cpu) / median(ours[part].cpu)).toFixed(2)}×)`)
process.stdout.write('In brackets: the ratio of processor time.\n\n')
process.stdout.write(`| side | images/s | range | CPU ms an image | ${Object.values(names).map((name) => `ours ${name}, over it`).join(' | ')} |\n`)
process.stdout.write('|---|---|---|---|---|---|---|\n')
for (const [side, row] of rows) {
  const cells = [side, median(row.rates), `${Math.min(...row.rates)}–${Math.max(...row.rates)}`, row.cpu.length === 0 ? '' : median(row.cpu).toFixed(2)]
  for (const part of Object.keys(names)) cells.push(`${times(part, row)}${spared(part, row)}`)
  process.stdout.write(`| ${cells.join(' | ')} |\n`)
}
process.stdout.write(`\nLoad average before each run: ${Math.min(...loads).toFixed(1)}–${Math.max(...loads).toFixed(1)}\n`)
