#!/usr/bin/env node
// Clip + AdamW + average + zero on ViT-B's parameters, and SAM's ascent, against PyTorch's best chain and its defaults, with one thread and two.
//
//   PYTHON=/path/to/python node bench/state-pass/table.mjs [--rounds 3] [--steps 10]
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '3' }, steps: { type: 'string', default: '10' } },
})
const compare = join(dirname(fileURLToPath(import.meta.url)), '..', 'compare.mjs')
for (const threads of ['1', '2'])
  for (const mode of ['adamw', 'default', 'sam']) {
    process.stdout.write(`${mode}, ${threads} thread${threads === '1' ? '' : 's'}\n`)
    const args = [compare, '--rounds', values.rounds, 'state-pass', values.steps, mode]
    const child = spawnSync(process.execPath, args, { encoding: 'utf8', env: { ...process.env, THREADS: threads } })
    process.stdout.write(child.status === 0 ? child.stdout.replaceAll(/^/gm, '  ').trimEnd() + '\n' : child.stderr)
    if (child.status !== 0) process.exitCode = 1
  }
