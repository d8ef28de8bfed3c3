#!/usr/bin/env node
// Images a second of each policy, ours and torchvision's (PIL images, tensors) in turn, as a Markdown table: ratio of the medians with
// its range round by round, CPU time of ours, and the share of the speed that a copy of the same bytes has in the same minutes.
//
//   PYTHON=/path/to/python node bench/augment/table.mjs [--rounds 3] [--threads 2] [--ours-only]
//
// About five minutes with two threads. --ours-only needs no Python.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const here = dirname(fileURLToPath(import.meta.url))
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    threads: { type: 'string', default: '2' },
    'ours-only': { type: 'boolean', default: false },
  },
})
const env = { ...process.env, OMP_WAIT_POLICY: 'PASSIVE' }
const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1]

function run(command, args) {
  const child = spawnSync(command, args, { encoding: 'utf8', env, cwd: join(here, '../..') })
  if (child.status !== 0) throw new Error(child.stderr)
  return JSON.parse(child.stdout.trim().split('\n').at(-1))
}
const typescript = (file, ...args) => run(process.execPath, ['--import', 'tsx', join(here, file), ...args])
const perSecond = ({ milliseconds }) => 1000 / median(milliseconds)
const whole = (number) => Math.round(number).toLocaleString('en')

const peers = values['ours-only'] ? [] : ['pil', 'tensor']
const copies = []
const rows = []
for (const side of ['32', '224'])
  for (const policy of ['light', 'full']) {
    const [batches, peerBatches] = side === '32' ? ['200', '8'] : ['100', '4']
    const found = { ours: [], cpu: [], pil: [], tensor: [], ratios: [] }
    let bytes = 0
    for (let round = 0; round < Number(values.rounds); round++) {
      copies.push(median(typescript('copy.ts', values.threads).gigabytes))
      const ours = typescript('ours.ts', side, policy, values.threads, batches)
      bytes = ours.bytes
      found.ours.push(perSecond(ours))
      found.cpu.push(ours.cpuMicroseconds)
      for (const kind of peers) {
        const peer = [join(here, 'peer.py'), side, policy, values.threads, peerBatches, kind]
        found[kind].push(perSecond(run(process.env.PYTHON ?? 'python3', peer)))
      }
      found.ratios.push(found.ours.at(-1) / Math.max(...peers.map((kind) => found[kind].at(-1))))
    }
    rows.push({ name: `${side} px, ${policy}`, found, bytes })
  }

const copy = median(copies)
process.stdout.write(`copy: ${copy.toFixed(1)} GB/s read and written, ${values.threads} threads\n\n`)
const heads = [
  'policy',
  'ours, images/s',
  'CPU µs an image',
  'of a copy',
  'torchvision PIL',
  'torchvision tensors',
  'ratio',
]
const shown = peers.length === 0 ? heads.slice(0, 4) : heads
process.stdout.write(`| ${shown.join(' | ')} |\n|${shown.map(() => ' --- |').join('')}\n`)
for (const { name, found, bytes } of rows) {
  const ours = median(found.ours)
  const cells = [
    name,
    whole(ours),
    median(found.cpu).toFixed(1),
    bytes > 2e5 ? `${((100 * ours * bytes) / 1e9 / copy).toFixed(0)} %` : 'in cache',
  ]
  if (peers.length > 0) {
    const ratio = ours / Math.max(...peers.map((kind) => median(found[kind])))
    const range = `${Math.min(...found.ratios).toFixed(1)}–${Math.max(...found.ratios).toFixed(1)}`
    cells.push(whole(median(found.pil)), whole(median(found.tensor)), `**${ratio.toFixed(1)}×** (${range})`)
  }
  process.stdout.write(`| ${cells.join(' | ')} |\n`)
}
