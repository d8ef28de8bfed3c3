#!/usr/bin/env node
// The table of the sampler benchmark from the two sides' JSON: how far the median best value lies above the optimum.
//
//   node --import tsx bench/sweep/ours.ts 20 100 > ours.json && python bench/sweep/peer.py --seeds 20 > peer.json
//   node bench/sweep/table.mjs ours.json peer.json
import { readFileSync } from 'node:fs'

const optima = {
  'mixed-4': 0,
  'rosenbrock-6': 0,
  branin: 0.39788735772973816,
  'hartmann-6': -3.322368011415515,
  conditional: 0.05,
  'noisy-4': 0,
}
const [ours, peer] = process.argv.slice(2, 4).map((path) => JSON.parse(readFileSync(path, 'utf8')))
const median = (list) => {
  const sorted = [...list].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
const seeds = Math.min(ours.values.branin.length, peer.values.branin.length)
process.stdout.write(
  `| problem | Trivium TPE | Optuna ${peer.version} TPE | ratio | 100 suggestions, ours (CPU) |\n|---|---|---|---|---|\n`,
)
for (const [name, optimum] of Object.entries(optima)) {
  const [a, b] = [ours, peer].map(({ values }) => median(values[name].slice(0, seeds)) - optimum)
  const time = `${median(ours.milliseconds[name]).toFixed(0)} ms`
  process.stdout.write(`| ${name} | ${a.toPrecision(3)} | ${b.toPrecision(3)} | ${(a / b).toFixed(2)} | ${time} |\n`)
}
