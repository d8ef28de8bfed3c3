import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { dataOptionsSchema, datasetNames, formats, openDataset } from '../../src/data/index.ts'
import type { DatasetName, DatasetSplits } from '../../src/data/index.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { fixtures } from '../support/dataset-fixtures.ts'
import { datasetSuite } from '../../src/conformance/dataset-suite.ts'

/** Published sets: their files are those of idx, or have tests of their own (tests/unit/data/cifar.test.ts). */
const published: readonly DatasetName[] = ['cifar10', 'cifar100', 'mnist', 'fashion_mnist']

test('every format is either published or has a fixture', () => {
  assert.deepEqual([...published, ...Object.keys(fixtures)].sort(), [...datasetNames].sort())
  assert.deepEqual(Object.keys(formats), [...datasetNames])
})

for (const name of datasetNames.filter((one) => !published.includes(one))) {
  for (const cache of name === 'digits' || name === 'idx' ? ['off'] : ['off', 'on disk']) {
    describe(`${name}, cache ${cache}`, () => {
      let root: string
      let options: Record<string, unknown>
      before(async () => {
        root = await mkdtemp(join(tmpdir(), `trivium-${name}-`))
        options =
          (await (fixtures[name] as (root: string) => Promise<Record<string, unknown>>)(join(root, 'set'))) ?? {}
      })
      after(() => rm(root, { recursive: true }))
      const open = (): Promise<DatasetSplits> =>
        openDataset(
          dataOptionsSchema.parse({
            dataset: name,
            directory: join(root, 'set'),
            imageSize: 8,
            cache: cache === 'off' ? 'off' : join(root, 'cache'),
            ...options,
          }),
          { seed: 3, logger: silentLogger },
        )

      datasetSuite('the training part', async () => (await open()).train)
      datasetSuite('the test part', async () => (await open()).test)

      test('the parts share their classes and no sample, and a saved split gives them again', async () => {
        const { train, validation, test: tested, indices } = await open()
        assert.deepEqual(train.classNames, tested.classNames)
        const all = [...indices.train, ...indices.validation, ...indices.test]
        assert.equal(new Set(all).size, all.length)
        assert.equal(all.length, train.length + (validation?.length ?? 0) + tested.length)
      })
    })
  }
}
