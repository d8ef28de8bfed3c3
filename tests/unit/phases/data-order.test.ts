import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import {
  AugmentationStage,
  DataLoaderStage,
  ModelLoaderStage,
  PipelineOrchestrator,
  TrainingStage,
} from '../../../src/phases/index.ts'
import { ConfigError } from '../../../src/util/errors.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-order-'))
after(() => rmSync(root, { recursive: true, force: true }))

function run(name: string, phase: 'train' | 'arcface', data: object): Promise<unknown> {
  const off = { enabled: false }
  return new PipelineOrchestrator()
    .addStage(new DataLoaderStage())
    .addStage(new AugmentationStage())
    .addStage(new ModelLoaderStage())
    .addStage(new TrainingStage())
    .run({
      ...{
        run: { name, directory: root },
        device: 'cpu',
        data: { dataset: 'digits', ...data },
        backbone: { name: 'small_cnn' },
      },
      ...{ train: off, supcon: off, arcface: off, distill: off },
      [phase]: { enabled: true, epochs: 1, batchSize: 32 },
    })
}

describe('data.sampler', () => {
  for (const phase of ['train', 'arcface'] as const) {
    test(`is what ${phase} draws with: groups that do not fit its batch are refused`, async () => {
      await assert.rejects(
        run(`${phase}-m`, phase, { sampler: 'm_per_class', samplerRepeats: 5 }),
        (e) =>
          e instanceof ConfigError && /batch_size is 32 but samples_per_class 5 does not divide it/.test(e.message),
      )
    })
  }

  test('and the chosen pictures are saved with the run', async () => {
    await run('few', 'train', { sampler: 'm_per_class', samplerRepeats: 4, subsetPerClass: 8 })
    const path = join(root, 'snapshots', 'few', 'split.json')
    assert.ok(existsSync(path))
    const { train } = JSON.parse(readFileSync(path, 'utf8')) as { train: number[] }
    assert.equal(train.length, 80)
  })
})
