#!/usr/bin/env node
// Pictures a second of our loader and its peers on the same folder, in turn, medians over rounds.
//
//   PYTHON=/path/to/python node bench/data/table.mjs [--folder bench-pictures] [--pictures 2000] [--rounds 5]
//
// The Python needs torch, torchvision and Pillow; without PYTHON only sharp is compared.
import { spawnSync } from 'node:child_process'
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
const run = ([command, args]) => {
  const child = spawnSync(command, args, { encoding: 'utf8', cwd: join(here, '..', '..'), stdio: ['ignore', 'pipe', 'inherit'] })
  if (child.status !== 0) throw new Error(`${args.join(' ')} failed`)
  return child.stdout
}
run(node('pictures.ts', values.folder, values.pictures))
const sides = {
  trivium: node('ours.ts', values.folder),
  'trivium, sharp decodes': node('ours.ts', values.folder, 'sharp'),
  sharp: node('sharp.ts', values.folder),
  ...(process.env.PYTHON && { 'Pillow, 2 workers': python('pillow'), 'torchvision.io, 2 workers': python('torchvision') }),
}
const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1]
const results = {}
for (let round = 0; round < Number(values.rounds); round++) {
  for (const [side, command] of Object.entries(sides)) {
    let out
    try {
      out = JSON.parse(run(command).trim().split('\n').at(-1))
    } catch (error) {
      // A torchvision without its image extension cannot decode: the others are compared all the same.
      process.stderr.write(`${side}: left out (${error.message})\n`)
      delete sides[side]
      continue
    }
    for (const part of ['first', 'packed'])
      if (out[part] !== undefined) (results[`${side} · ${part === 'first' ? 'first epoch' : 'from the packed cache'}`] ??= []).push(out[part])
  }
}
const ours = { first: median(results['trivium · first epoch']), packed: median(results['trivium · from the packed cache']) }
process.stdout.write('| side | images/s | range | first epoch of ours over it | packed of ours over it |\n|---|---|---|---|---|\n')
for (const [side, rates] of Object.entries(results)) {
  const middle = median(rates)
  const row = [side, middle, `${Math.min(...rates)}–${Math.max(...rates)}`, `${(ours.first / middle).toFixed(2)}×`, `${(ours.packed / middle).toFixed(2)}×`]
  process.stdout.write(`| ${row.join(' | ')} |\n`)
}
