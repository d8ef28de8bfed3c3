#!/usr/bin/env node
// Every backbone of the performance table, training step and inference, in float32 and bfloat16, against PyTorch + timm on two threads
// (THREADS in the environment for another number).
//
//   PYTHON=/path/to/python node bench/backbones/table.mjs [--rounds 3] [--steps 10] [PART OF A NAME]
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const cases = [
  ['resnet18', 32, 128],
  ['convnextv2_atto', 64, 32],
  ['vit_small_patch16_224', 64, 32],
  ['vit_small_patch16_224', 224, 8],
  ['swinv2_tiny_window8_256', 256, 4],
  ['vit_small_patch14_dinov2', 70, 32],
]
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '3' }, steps: { type: 'string', default: '10' } },
})
const compare = join(dirname(fileURLToPath(import.meta.url)), '..', 'compare.mjs')
for (const [name, size, batch] of cases) {
  if (positionals.length > 0 && !positionals.some((part) => name.includes(part))) continue
  for (const mode of ['train', 'infer']) {
    for (const precision of ['float32', 'bfloat16']) {
      process.stdout.write(`${mode} ${name}@${size}, ${batch} images, ${precision}\n`)
      const args = [
        compare,
        '--rounds',
        values.rounds,
        'backbones',
        mode,
        name,
        String(size),
        String(batch),
        precision,
        values.steps,
      ]
      const child = spawnSync(process.execPath, args, { encoding: 'utf8' })
      process.stdout.write(child.status === 0 ? child.stdout.replaceAll(/^/gm, '  ').trimEnd() + '\n' : child.stderr)
      if (child.status !== 0) process.exitCode = 1
    }
  }
}
