#!/usr/bin/env node
// Training steps in bfloat16 with AdamW, batches made anew for each from pictures in memory (crop, flip, normalise): ours, ours with SAM, and
// PyTorch + timm with a fused AdamW: eager, compiled, and with SAM. The best of eager and compiled is the peer. All of them in turn (A B C …
// A B C …), in processes of their own; what a step is stands in bench/backbones.
//
//   PYTHON=/path/to/python node bench/train/table.mjs [--rounds 3] [--steps 10] [--no-compile] [PART OF A NAME]
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const cases = [
  ['vit_small_patch16_224', 64, 16],
  ['vit_small_patch14_dinov2', 70, 16],
  ['swinv2_tiny_window8_256', 64, 16],
  ['convnextv2_atto', 64, 32],
  ['cifar_cnn', 32, 128],
  ['resnet18', 32, 128],
]
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    steps: { type: 'string', default: '10' },
    'no-compile': { type: 'boolean', default: false },
  },
})
const here = dirname(fileURLToPath(import.meta.url))
const backbones = join(here, '..', 'backbones')
const ours = [process.execPath, '--import', 'tsx', join(backbones, 'ours.ts')]
const peer = [process.env.PYTHON ?? 'python3', join(backbones, 'peer.py')]
const sides = [
  ['ours', ours, 'train', {}],
  ['ours, SAM', ours, 'sam', {}],
  ['peer, eager', peer, 'train', {}],
  ...(values['no-compile'] ? [] : [['peer, compiled', peer, 'train', { COMPILE: '1' }]]),
  ['peer, SAM', peer, 'sam', {}],
]
const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1]

function measure([name, [command, ...first], mode, environment], [network, size, batch]) {
  const args = [...first, mode, network, String(size), String(batch), 'bfloat16', values.steps]
  const env = { ...process.env, OMP_WAIT_POLICY: 'PASSIVE', DATA: '1', ...environment }
  const child = spawnSync(command, args, { encoding: 'utf8', env, cwd: join(here, '..', '..') })
  if (child.status !== 0) throw new Error(`${name}, ${network}: ${child.stderr}`)
  const { milliseconds, cpuMilliseconds } = JSON.parse(child.stdout.trim().split('\n').at(-1))
  return { wall: median(milliseconds), cpu: median(cpuMilliseconds) }
}

for (const one of cases) {
  if (positionals.length > 0 && !positionals.some((part) => one[0].includes(part))) continue
  process.stdout.write(`${one[0]}@${one[1]}, ${one[2]} images, bfloat16, ${process.env.THREADS ?? 2} threads\n`)
  const rounds = Array.from({ length: Number(values.rounds) }, () =>
    Object.fromEntries(sides.map((side) => [side[0], measure(side, one)])),
  )
  for (const [name] of sides) {
    const walls = rounds.map((round) => round[name].wall)
    const range = `${Math.min(...walls).toFixed(1)}–${Math.max(...walls).toFixed(1)}`
    const cpu = median(rounds.map((round) => round[name].cpu)).toFixed(1)
    process.stdout.write(`  ${name.padEnd(15)} ${median(walls).toFixed(1)} ms (${range}), processor time ${cpu} ms\n`)
  }
  const best = (round, clock) => Math.min(...sides.slice(2, -1).map(([name]) => round[name][clock]))
  const ratios = {
    'best peer over ours': (round, clock) => best(round, clock) / round.ours[clock],
    'our SAM over our step': (round, clock) => round['ours, SAM'][clock] / round.ours[clock],
    'peer SAM over our SAM': (round, clock) => round['peer, SAM'][clock] / round['ours, SAM'][clock],
  }
  for (const [name, of] of Object.entries(ratios)) {
    const [wall, cpu] = ['wall', 'cpu'].map((clock) => rounds.map((round) => of(round, clock)))
    const range = `${Math.min(...wall).toFixed(2)}–${Math.max(...wall).toFixed(2)}`
    process.stdout.write(
      `  ${name}: ${median(wall).toFixed(2)}x (${range}), by processor time ${median(cpu).toFixed(2)}x\n`,
    )
  }
}
