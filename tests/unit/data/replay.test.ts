import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { datasetSuite } from '../../../src/conformance/index.ts'
import { dataOptionsSchema, openDataset } from '../../../src/data/index.ts'
import type { DatasetSplits } from '../../../src/data/index.ts'
import { pipelineConfigSchema, runPipeline } from '../../../src/phases/index.ts'
import { ConfigError, DatasetError } from '../../../src/util/errors.ts'
import { silentLogger } from '../../../src/util/logger.ts'
import { picture, put } from '../../support/dataset-fixtures.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-replay-'))
const directory = join(root, 'synthetic')
after(() => rmSync(root, { recursive: true, force: true }))
before(async () => {
  // twenty threes, of levels 100 and on, and ten sevens
  for (let i = 0; i < 20; i++) await put(join(directory, '3', `${i}.png`), await picture(100 + i, 12, 16))
  for (let i = 20; i < 30; i++) await put(join(directory, '7', `${i}.png`), await picture(100 + i, 40, 40))
})

const open = (replay: object | undefined, o: object = {}, context: object = {}): Promise<DatasetSplits> =>
  openDataset(dataOptionsSchema.parse({ dataset: 'digits', cache: 'off', subsetPerClass: 10, replay, ...o }), {
    seed: 3,
    logger: silentLogger,
    ...context,
  })

datasetSuite('with synthetic pictures', async () => (await open({ directory })).train)

describe('data.replay', () => {
  test('adds the synthetic pictures to the training part, of their classes, and to no other', async () => {
    const plain = await open(undefined)
    const { train, validation, test: tested, mean, indices } = await open({ directory })
    assert.deepEqual([plain.train.length, train.length], [100, 130])
    assert.deepEqual(Array.from(train.labels.subarray(100)), [...Array<number>(20).fill(3), ...Array<number>(10).fill(7)])
    assert.deepEqual([validation?.length, tested.length], [plain.validation?.length, plain.test.length])
    // a saved split, mean and deviation are those of the real pictures
    assert.deepEqual([mean, indices], [plain.mean, plain.indices])
    const mixed = [129, 0, 100, 7]
    const pixels = await train.read(mixed)
    const size = train.height * train.width * 3
    assert.deepEqual([pixels[0], pixels[2 * size]], [129, 100])
    assert.deepEqual(pixels.subarray(size, 2 * size), await plain.train.read([0]))
    assert.deepEqual(pixels.subarray(3 * size), await plain.train.read([7]))
  })

  test('ratio is how many there are at most for each real one, chosen by the seed', async () => {
    const ids = ({ train }: DatasetSplits): number[] => Array.from(train.labels.keys(), (at) => train.at(at).id).slice(100)
    const tenth = await open({ directory, ratio: 0.1 })
    assert.equal(tenth.train.length, 110)
    assert.deepEqual(ids(await open({ directory, ratio: 0.1 })), ids(tenth))
    assert.notDeepEqual(ids(await open({ directory, ratio: 0.1 }, {}, { seed: 4, split: tenth.indices })), ids(tenth))
    assert.equal((await open({ directory, ratio: 5 })).train.length, 130)
  })

  test('a restored split takes them up again', async () => {
    const first = await open({ directory, ratio: 0.2 })
    const again = await open({ directory, ratio: 0.2 }, { subsetPerClass: undefined }, { split: first.indices })
    const ids = ({ train }: DatasetSplits): number[] => Array.from(train.labels.keys(), (at) => train.at(at).id)
    assert.deepEqual(ids(again), ids(first))
  })

  test('a phase learns from them', async () => {
    const config = pipelineConfigSchema.parse({
      run: { name: 'replay', directory: root },
      device: 'cpu',
      data: { dataset: 'digits', cache: 'off', subsetPerClass: 10, replay: { directory } },
      backbone: { name: 'small_cnn', width: 8 },
      train: { epochs: 1, batchSize: 26, useValidation: false },
    })
    const { phases } = await runPipeline(config, { phases: ['train'] })
    assert.equal(phases[0]?.metrics.steps, 5)
  })

  test('a missing folder, an unknown class and no pictures are refused by name', async () => {
    await assert.rejects(
      open({ directory: join(root, 'nowhere') }),
      (e) => e instanceof ConfigError && /data\.replay\.directory.*nowhere/.test(e.message),
    )
    await put(join(root, 'other', 'cat', '1.png'), await picture(1))
    await assert.rejects(open({ directory: join(root, 'other') }), (e) => e instanceof DatasetError && /"cat"/.test(e.message))
    await put(join(root, 'none', '3', 'readme.txt'), 'nothing')
    await assert.rejects(
      open({ directory: join(root, 'none') }),
      (e) => e instanceof DatasetError && /pictures in the class folders/.test(e.message),
    )
  })
})
