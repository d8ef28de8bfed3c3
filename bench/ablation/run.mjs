/**
 * What each part of the curriculum brings: plain cross-entropy, + contrastive pretraining, + a head of normalised vectors
 * without a margin, + angular margin, + SAM, + distillation from averaged weights; plain cross-entropy for as many passes as all of
 * these together; and two controls: a student that is taught all along, SAM where the network has fitted its training set.
 *
 *   node bench/ablation/run.mjs [--config bench/ablation/cifar10.yaml] [--seeds 3] [--data data] [--output ablation]
 *
 * Top-1 on the test images, mean and 95 % interval (Student's t) over the seeds; differences are paired by seed. An arm whose
 * metrics.json is there already is not run again.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = fileURLToPath(new URL('../..', import.meta.url))
const text = { type: 'string' }
const { values } = parseArgs({ options: { config: text, seeds: text, data: text, output: text } })
const config = resolve(values.config ?? join(root, 'bench/ablation/cifar10.yaml'))
const output = resolve(values.output ?? 'ablation')
const seeds = Array.from({ length: Number(values.seeds ?? 3) }, (_, i) => i + 1)
if (seeds.length === 0) throw new Error(`--seeds: expected a whole number ≥ 1, got "${values.seeds}"`)

const best = (run, phase) => join(output, 'snapshots', run, phase, 'best')
const arms = (seed) => [
  { name: 'cross-entropy', phases: ['train', 'evaluate'] },
  { name: 'contrast', phases: ['supcon'], shown: false },
  {
    name: '+ contrastive pretraining',
    phases: ['train', 'evaluate'],
    set: { 'train.init_from': best(`contrast-${seed}`, 'supcon') },
    after: 'cross-entropy',
  },
  {
    name: '+ normalised head',
    phases: ['arcface', 'evaluate'],
    set: { 'arcface.init_from': best(`contrast-${seed}`, 'supcon'), 'arcface.margin': 0 },
    after: '+ contrastive pretraining',
  },
  {
    name: '+ angular margin',
    phases: ['arcface', 'evaluate'],
    set: { 'arcface.init_from': best(`contrast-${seed}`, 'supcon') },
    after: '+ normalised head',
  },
  {
    name: '+ SAM',
    phases: ['arcface', 'evaluate'],
    set: { 'arcface.init_from': best(`contrast-${seed}`, 'supcon'), 'arcface.sam': true },
    after: '+ angular margin',
  },
  {
    name: '+ distillation',
    phases: ['distill', 'evaluate'],
    set: {
      'distill.init_from': best(`sam-${seed}`, 'arcface'),
      'distill.teacher_backbone_path': best(`sam-${seed}`, 'arcface'),
    },
    after: '+ SAM',
  },
  // 10 epochs of contrast × 2 views + 30 of tuning × 2 passes of SAM + 4 of distillation with a teacher’s forward pass (a third)
  {
    name: 'cross-entropy, as long',
    phases: ['train', 'evaluate'],
    set: { 'train.epochs': 85 },
    after: 'cross-entropy',
  },
  {
    name: 'distillation from the start',
    phases: ['distill', 'evaluate'],
    set: {
      'distill.init_from': best(`contrast-${seed}`, 'supcon'),
      'distill.teacher_backbone_path': best(`angular-margin-${seed}`, 'arcface'),
      'distill.epochs': 30,
      'distill.lr': 0.1,
    },
    after: '+ contrastive pretraining',
  },
  {
    name: 'SAM, as long',
    phases: ['train', 'evaluate'],
    set: { 'train.epochs': 85, 'train.sam': true },
    after: 'cross-entropy, as long',
  },
]
const folder = (name) =>
  name
    .replace(/[^a-zA-Z]+/g, '-')
    .replace(/^-|-$/g, '')
    .toLowerCase()

const results = new Map()
for (const arm of arms(1).keys())
  for (const seed of seeds) {
    const { name, phases, set = {}, shown = true } = arms(seed)[arm]
    const run = `${folder(name)}-${seed}`
    const metrics = join(output, 'eval_results', run, 'metrics.json')
    const done = shown ? metrics : best(run, phases[0])
    if (!existsSync(done)) {
      const overrides = Object.entries({ ...set, seed, ...(values.data && { 'data.directory': resolve(values.data) }) })
      const flags = ['--config', config, '--directory', output, '--name', run, '--phases', ...phases]
      const args = [...flags, ...overrides.flatMap(([key, value]) => ['--set', `${key}=${value}`])]
      const { status, stderr } = spawnSync(process.execPath, [join(root, 'dist/cli/main.js'), ...args], {
        stdio: ['ignore', 'ignore', 'pipe'],
        encoding: 'utf8',
      })
      if (status !== 0) throw new Error(`${run} ended with ${status}:\n${stderr}`)
    }
    if (!shown) continue
    const { top1 } = JSON.parse(readFileSync(metrics, 'utf8'))
    results.set(name, [...(results.get(name) ?? []), 100 * top1])
    process.stderr.write(`seed ${seed}, ${name}: ${(100 * top1).toFixed(2)} %\n`)
  }

// Two-sided 95 % of Student's t, by degrees of freedom; beyond ten the normal value is near enough.
const t95 = [NaN, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228]
const interval = (numbers) => {
  const mean = numbers.reduce((a, b) => a + b, 0) / numbers.length
  const variance = numbers.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (numbers.length - 1)
  return { mean, half: (t95[numbers.length - 1] ?? 1.96) * Math.sqrt(variance / numbers.length) }
}
const show = ({ mean, half }, sign = false) =>
  `${sign && mean > 0 ? '+' : ''}${mean.toFixed(2)}${Number.isNaN(half) ? '' : ` ± ${half.toFixed(2)}`}`

console.log('| arm | top-1, % | against | difference |\n| --- | --- | --- | --- |')
for (const { name, shown = true, after } of arms(1)) {
  if (!shown) continue
  const own = results.get(name)
  const difference = after ? show(interval(own.map((x, i) => x - results.get(after)[i])), true) : ''
  console.log(`| ${name} | ${show(interval(own))} | ${after ?? ''} | ${difference} |`)
}
