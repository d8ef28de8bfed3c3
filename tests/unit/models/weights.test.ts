import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { torch } from '../../../src/binding/index.ts'
import { createModel, loadWeights, saveSafetensors } from '../../../src/models/index.ts'
import { SnapshotError } from '../../../src/util/errors.ts'
import { silentLogger } from '../../../src/util/logger.ts'
import type { Logger } from '../../../src/util/logger.ts'

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trivium-weights-'))
})
after(() => rm(folder, { recursive: true, force: true }))

function listening(): { logger: Logger; heard: string[] } {
  const heard: string[] = []
  return { heard, logger: { ...silentLogger, warn: (message: string) => void heard.push(message) } }
}

/** Saves a small_cnn's weights and says where; `numClasses` 0 leaves the classifier out. */
async function saved(name: string, numClasses: number, seed = 1): Promise<string> {
  using model = await createModel('small_cnn', { numClasses, width: 4, seed })
  const path = join(folder, name)
  await torch.scope(() => saveSafetensors(path, model.stateDict(), { made_by: 'test' }))
  return path
}

describe('saveSafetensors and loadWeights', () => {
  it('give back every tensor and leave no temporary file', async () => {
    const path = await saved('round-trip.safetensors', 3)
    using model = await createModel('small_cnn', { numClasses: 3, width: 4, seed: 1 })
    await torch.scope(async () => {
      const loaded = await loadWeights(path)
      const own = model.stateDict()
      assert.deepEqual([...loaded.keys()].sort(), [...own.keys()].sort())
      for (const [name, tensor] of own) assert.deepEqual(loaded.get(name)?.toArray(), tensor.toArray(), name)
    })
    assert.ok((await readdir(folder)).every((name) => !name.endsWith('.tmp')))
  })

  it('makes the folder it writes into', async () => {
    const path = join(folder, 'deep/er/one.safetensors')
    await torch.scope(async () => {
      await saveSafetensors(path, new Map([['x', torch.tensor([1, 2, 3])]]))
      assert.deepEqual((await loadWeights(path)).get('x')?.toArray(), [1, 2, 3])
    })
  })

  it('names the path when the target cannot be written', async () => {
    await writeFile(join(folder, 'a-file'), 'x')
    await torch.scope(async () => {
      const target = join(folder, 'a-file/weights.safetensors')
      await assert.rejects(saveSafetensors(target, new Map([['x', torch.tensor([1])]])), (error: unknown) => {
        assert.ok(error instanceof SnapshotError)
        assert.match(error.message, /a-file/)
        return true
      })
    })
  })

  it('refuse pickled checkpoints, missing and damaged files by name', async () => {
    await assert.rejects(loadWeights('some/model.pth'), /some\/model\.pth: pickled checkpoints are not read/)
    await assert.rejects(loadWeights(join(folder, 'absent.safetensors')), SnapshotError)
    const damaged = join(folder, 'damaged.safetensors')
    await writeFile(damaged, 'these are no weights at all')
    await assert.rejects(loadWeights(damaged), (error: unknown) => {
      assert.ok(error instanceof SnapshotError)
      assert.match(error.message, /damaged\.safetensors/)
      return true
    })
  })
})

describe('createModel with a pretrained file', () => {
  it('starts from its values', async () => {
    const path = await saved('same.safetensors', 3, 7)
    const { logger, heard } = listening()
    using model = await createModel('small_cnn', { numClasses: 3, width: 4, seed: 2, pretrained: path, logger })
    using original = await createModel('small_cnn', { numClasses: 3, width: 4, seed: 7 })
    torch.scope(() => {
      const own = model.stateDict()
      for (const [name, tensor] of original.stateDict())
        assert.deepEqual(own.get(name)?.toArray(), tensor.toArray(), name)
    })
    assert.deepEqual(heard, [])
  })

  it('starts a classifier of another size afresh and says so', async () => {
    const path = await saved('other-classes.safetensors', 3, 7)
    const { logger, heard } = listening()
    using model = await createModel('small_cnn', { numClasses: 5, width: 4, seed: 2, pretrained: path, logger })
    using fresh = await createModel('small_cnn', { numClasses: 5, width: 4, seed: 2 })
    torch.scope(() => {
      const [own, start] = [model.stateDict(), fresh.stateDict()]
      assert.deepEqual(own.get('fc.weight')?.toArray(), start.get('fc.weight')?.toArray())
      assert.notDeepEqual(own.get('stages.0.conv.weight')?.toArray(), start.get('stages.0.conv.weight')?.toArray())
    })
    assert.equal(heard.length, 1)
    assert.match(heard[0]!, /classifier has 3 classes and this network 5; fc\.weight, fc\.bias start afresh/)
  })

  it('leaves the file’s classifier out of a network without one', async () => {
    const path = await saved('with-classifier.safetensors', 3)
    const { logger, heard } = listening()
    using model = await createModel('small_cnn', { numClasses: 0, width: 4, pretrained: path, logger })
    assert.equal(model.numFeatures, 16)
    assert.match(heard[0]!, /is not used: this network has none/)
  })

  it('takes a file without a classifier', async () => {
    const path = await saved('without-classifier.safetensors', 0)
    const { logger, heard } = listening()
    using model = await createModel('small_cnn', { numClasses: 2, width: 4, pretrained: path, logger })
    assert.ok(model.stateDict().has('fc.weight'))
    assert.match(heard[0]!, /has none; fc\.weight, fc\.bias start afresh/)
  })

  it('refuses weights of another network, with the path and the names', async () => {
    const path = await saved('foreign.safetensors', 3)
    await assert.rejects(createModel('resnet_test', { numClasses: 3, pretrained: path }), (error: unknown) => {
      assert.ok(error instanceof SnapshotError)
      assert.match(error.message, /foreign\.safetensors/)
      assert.match(error.message, /Missing: conv1\.weight/)
      assert.match(error.message, /stages\.0\.conv\.weight/)
      return true
    })
  })
})
