#!/usr/bin/env node
// Images a second of each policy, ours and torchvision's in turn, and the ratio of the medians, as a Markdown table.
//
//   PYTHON=/path/to/python node bench/augment/table.mjs [--rounds 3] [--threads 2]
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const here = dirname(fileURLToPath(import.meta.url))
const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '3' }, threads: { type: 'string', default: '2' } },
})
const env = { ...process.env, OMP_WAIT_POLICY: 'PASSIVE' }
const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1]

function perSecond(command, args) {
  const child = spawnSync(command, args, { encoding: 'utf8', env, cwd: join(here, '../..') })
  if (child.status !== 0) throw new Error(child.stderr)
  return 1000 / median(JSON.parse(child.stdout.trim().split('\n').at(-1)).milliseconds)
}
const whole = (number) => Math.round(number).toLocaleString('en')

process.stdout.write('| policy | ours, images/s | torchvision PIL | torchvision tensors | ours over the better |\n')
process.stdout.write('| --- | --- | --- | --- | --- |\n')
for (const side of ['32', '224'])
  for (const policy of ['light', 'full']) {
    const [batches, peerBatches] = side === '32' ? ['60', '8'] : ['20', '4']
    const found = { ours: [], pil: [], tensor: [] }
    for (let round = 0; round < Number(values.rounds); round++) {
      const ours = ['--import', 'tsx', join(here, 'ours.ts'), side, policy, values.threads, batches]
      found.ours.push(perSecond(process.execPath, ours))
      for (const kind of ['pil', 'tensor']) {
        const peer = [join(here, 'peer.py'), side, policy, values.threads, peerBatches, kind]
        found[kind].push(perSecond(process.env.PYTHON ?? 'python3', peer))
      }
    }
    const [ours, pil, tensor] = [found.ours, found.pil, found.tensor].map(median)
    const ratio = (ours / Math.max(pil, tensor)).toFixed(1)
    process.stdout.write(`| ${side} px, ${policy} | ${whole(ours)} | ${whole(pil)} | ${whole(tensor)} | ${ratio}× |\n`)
  }
