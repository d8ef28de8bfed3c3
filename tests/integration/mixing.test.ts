/** Mixing and strong policies through all training phases; interrupted and resumed they end with the bytes of a run in one piece. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { pipelineConfigSchema, runPipeline, silentProgress } from '../../src/phases/index.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-mixing-'))
after(() => rmSync(root, { recursive: true, force: true }))

function config(name: string): ReturnType<typeof pipelineConfigSchema.parse> {
  const quick = { steps: 8, batchSize: 64, emaDecay: 0.9, useValidation: false }
  return pipelineConfigSchema.parse({
    run: { name, directory: root },
    device: 'cpu',
    data: { dataset: 'digits', imageSize: 16 },
    backbone: { name: 'small_cnn', width: 8 },
    supcon: { ...quick, mixMethod: 'mixup', augmentations: ['randaugment', { randomCrop: { padding: 2 } }] },
    arcface: { ...quick, mixMethod: 'cutmix', useManifoldMixup: true, augmentations: { randaugment: true } },
    distill: {
      ...quick,
      mixMethod: 'fmix',
      useManifoldMixup: true,
      augmentations: { trivialaugment: true, augmix: true },
    },
  })
}

const weights = (name: string, phase: string): unknown => {
  const folder = realpathSync(join(root, 'snapshots', name, phase, 'last'))
  return (JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as { files: unknown }).files
}
const backbone = (name: string, phase: string): unknown =>
  (weights(name, phase) as Record<string, unknown>)['backbone.safetensors']

test('mixing › every training phase mixes, and an interrupted run resumes to the same weights', async () => {
  const phases = ['supcon', 'arcface', 'distill'] as const
  const whole = await runPipeline(config('whole'), { phases: [...phases] })
  assert.equal(whole.outcome, 'finished')
  const abort = new AbortController()
  let updates = 0
  const progress = {
    ...silentProgress,
    update: () => {
      if (++updates === 12) abort.abort() // in the middle of arcface
    },
  }
  const first = await runPipeline(config('resumed'), { phases: [...phases], signal: abort.signal, progress })
  assert.equal(first.outcome, 'interrupted')
  const second = await runPipeline(config('resumed'), { phases: [...phases], resume: true })
  assert.equal(second.outcome, 'finished')
  for (const phase of phases) {
    assert.ok(backbone('whole', phase) !== undefined)
    assert.deepEqual(backbone('resumed', phase), backbone('whole', phase), phase)
  }
})
