/** Cyclic restarts leave snapshots; together they classify and teach. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { loadScores } from '../../src/evaluation/index.ts'
import {
  pipelineConfigSchema,
  runPipeline,
  type PhaseName,
  type PipelineConfigInput,
  type PipelineResult,
} from '../../src/phases/index.ts'
import { SnapshotError } from '../../src/util/errors.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-ensemble-'))
after(() => rmSync(root, { recursive: true, force: true }))

function run(phases: PhaseName[], changes: PipelineConfigInput = {}): Promise<PipelineResult> {
  const base: Record<string, object> = {
    run: { name: 'cycles', directory: root },
    data: { dataset: 'digits', imageSize: 8, subsetPerClass: 20 },
    backbone: { name: 'small_cnn', width: 4 },
    train: {
      ...{ epochs: 5, batchSize: 50, lr: 0.02, warmupEpochs: 1, keep: 1 },
      schedule: { kind: 'cosine_restarts', cycleEpochs: 1, cycleMultiplier: 2, keepCycles: true },
    },
    distill: { epochs: 1, batchSize: 50, lr: 1e-3, initFrom: null },
  }
  for (const [key, value] of Object.entries(changes)) base[key] = { ...base[key], ...(value as object) }
  return runPipeline(pipelineConfigSchema.parse({ ...base, device: 'cpu' }), { phases })
}

const folder = join(root, 'snapshots', 'cycles', 'train')
const ends = ['cycle-01-epoch-0002', 'cycle-02-epoch-0004']
let trained: PipelineResult

before(async () => {
  trained = await run(['train'])
})

/** Logits of the newest evaluation. */
async function logits(): Promise<Float32Array> {
  const scores = await loadScores(join(root, 'eval_results', 'cycles', 'scores.safetensors'))
  return scores.logits
}

function softmax(row: readonly number[]): number[] {
  const exps = row.map((value) => Math.exp(value - Math.max(...row)))
  const sum = exps.reduce((total, value) => total + value, 0)
  return exps.map((value) => value / sum)
}

test('ensemble › ends of cycles are kept, whatever keep says; what lies between them is not', () => {
  const names = readdirSync(folder).filter((name) => !['best', 'last', 'lineage.json'].includes(name))
  const best = trained.phases[0]?.snapshot?.split('/').at(-1) ?? ''
  assert.deepEqual(names.sort(), [...new Set([...ends, best, 'epoch-0005'])].sort())
})

test('ensemble › the rate is lowest in the last step of a cycle and starts again after it', () => {
  const rows = readFileSync(join(root, 'logs', 'cycles', 'train.csv'), 'utf8')
    .trim()
    .split('\n')
  const column = rows[0]?.split(',').indexOf('lr') ?? -1
  const rates = rows.slice(1).map((row) => Number(row.split(',')[column]))
  const [, first = 0, middle = 0, second = 0, again = 0] = rates
  assert.ok(first < middle && second < middle && again > second, rates.join())
})

test('ensemble › together they have the mean of their probabilities and of their energies', async () => {
  const alone: Float32Array[] = []
  for (const name of ends) {
    await run(['evaluate'], { evaluate: { model: join(folder, name) } })
    alone.push(await logits())
  }
  const { phases } = await run(['evaluate'], { evaluate: { ensemble: 'cycles' } })
  const together = await logits()
  assert.equal(together.length, alone[0]?.length)
  for (let at = 0; at < together.length; at += 10) {
    const rows = alone.map((values) => [...values.subarray(at, at + 10)])
    const own = [...together.subarray(at, at + 10)]
    const [p = [], q = []] = rows.map(softmax)
    const mean = softmax(own)
    for (const [i, value] of mean.entries()) assert.ok(Math.abs(value - ((p[i] ?? 0) + (q[i] ?? 0)) / 2) < 1e-5)
    const energy = (row: readonly number[]): number => -Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0))
    assert.ok(Math.abs(energy(own) - (energy(rows[0] ?? []) + energy(rows[1] ?? [])) / 2) < 1e-3)
  }
  const listed = await run(['evaluate'], { evaluate: { ensemble: [join(folder, 'cycle-0*')] } })
  const again = await logits()
  // Which image and by how much, should two evaluations of the same weights ever differ.
  const differing = [...again].flatMap((value, at) =>
    value === together[at] ? [] : [`image ${Math.floor(at / 10)}, class ${at % 10}: ${together[at]}, then ${value}`],
  )
  assert.deepEqual(differing, [])
  assert.deepEqual(listed.phases[0]?.metrics, phases[0]?.metrics)
})

test('ensemble › teaches, all that fit a pattern', async () => {
  const { phases } = await run(['distill'], { distill: { teacherSnapshots: [join(folder, 'cycle-*')] } })
  assert.equal(phases[0]?.outcome, 'finished')
})

test('ensemble › a pattern that nothing fits, and cycles where none were kept, are errors', async () => {
  await assert.rejects(
    run(['evaluate'], { evaluate: { ensemble: [join(folder, 'circle-*')] } }),
    (error) => error instanceof SnapshotError && /circle-\*: expected snapshots whose names fit/.test(error.message),
  )
  const other = { run: { name: 'plain' }, train: { epochs: 1, warmupEpochs: 0, schedule: 'cosine' } } as const
  await run(['train'], other)
  await assert.rejects(run(['evaluate'], { ...other, evaluate: { ensemble: 'cycles' } }), SnapshotError)
})
