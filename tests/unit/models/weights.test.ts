import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { torch } from '../../../src/binding/index.ts'
import {
  createModel,
  createPublishedClassifier,
  listModels,
  loadWeights,
  readWeights,
  saveSafetensors,
} from '../../../src/models/index.ts'
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

  it('starts from names that DataParallel and torch.compile prefixed', async () => {
    using model = await createModel('small_cnn', { numClasses: 3, width: 4, seed: 1 })
    const path = join(folder, 'prefixed.safetensors')
    await torch.scope(async () => {
      const state = model.stateDict()
      await saveSafetensors(path, new Map([...state].map(([name, tensor]) => [`module._orig_mod.${name}`, tensor])))
      const file = await readWeights(path)
      assert.deepEqual([...file.tensors.keys()].sort(), [...state.keys()].sort())
      assert.equal(file.found, 'without the prefix "module._orig_mod."')
    })
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

  it('refuse missing and damaged files by name', async () => {
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

describe('loadWeights', () => {
  it('takes a safetensors file for one, also when the length of its header begins like a pickle or a zip file', async () => {
    for (const length of [0x280, 0x380, 0x4b50]) {
      const header = JSON.stringify({ a: { dtype: 'F32', shape: [2], data_offsets: [0, 8] } }).padEnd(length)
      const bytes = Buffer.alloc(8 + length + 8)
      bytes.writeBigUInt64LE(BigInt(length))
      bytes.write(header, 8)
      bytes.writeFloatLE(1.5, 8 + length)
      bytes.writeFloatLE(-2, 12 + length)
      const path = join(folder, `length-${length}.safetensors`)
      await writeFile(path, bytes)
      const weights = await loadWeights(path)
      assert.deepEqual(weights.get('a')?.toArray(), [1.5, -2], String(length))
      weights.get('a')?.dispose()
    }
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

  it('leaves out tables that the network computes itself, and says so', async () => {
    using original = await createModel('small_cnn', { numClasses: 2, width: 4, seed: 3 })
    const path = join(folder, 'with-tables.safetensors')
    const table = 'layers.1.blocks.1.attn_mask'
    await torch.scope(() =>
      saveSafetensors(
        path,
        new Map([...original.stateDict(), [table, torch.zeros([4])], ['mask_token', torch.zeros([2])]]),
      ),
    )
    const heard: string[] = []
    const logger = { ...silentLogger, info: (message: string) => void heard.push(message) }
    using model = await createModel('small_cnn', { numClasses: 2, width: 4, pretrained: path, logger })
    torch.scope(() => {
      for (const [name, tensor] of original.stateDict())
        assert.deepEqual(model.stateDict().get(name)?.toArray(), tensor.toArray(), name)
    })
    assert.match(heard.join(), /2 tensors that the network computes itself or that only pretraining used are left out/)
  })

  it('starts batch counters that old checkpoints lack at 0, and says so', async () => {
    using original = await createModel('resnet_test', { numClasses: 2, seed: 3 })
    const path = join(folder, 'before-0.4.1.safetensors')
    await torch.scope(() => {
      const old = [...original.stateDict()].filter(([name]) => !name.endsWith('num_batches_tracked'))
      return saveSafetensors(path, new Map(old))
    })
    const { logger, heard } = listening()
    using model = await createModel('resnet_test', { numClasses: 2, pretrained: path, logger })
    torch.scope(() => assert.deepEqual(model.stateDict().get('bn1.num_batches_tracked')?.toArray(), [0]))
    assert.match(heard.join(), /its \d+ batch normalisations have no num_batches_tracked; they start at 0/)
    const partly = join(folder, 'no-statistics.safetensors')
    await torch.scope(() => {
      const without = [...original.stateDict()].filter(([name]) => !/^bn1\.(num|running)/.test(name))
      return saveSafetensors(partly, new Map(without))
    })
    await assert.rejects(
      createModel('resnet_test', { numClasses: 2, pretrained: partly }),
      /Missing: bn1\.running_mean, bn1\.running_var, bn1\.num_batches_tracked/,
    )
  })
})

describe('createPublishedClassifier', () => {
  const request = { imageSize: 32, device: 'cpu', seed: 1 }

  for (const { name, family } of listModels('_test')) {
    it(`${family} › gives the logits of the whole network: its classifier is found and left out of the backbone`, async () => {
      const path = join(folder, `${name}.safetensors`)
      using whole = await createModel(name, { numClasses: 7, imageSize: 32, seed: 2 })
      await torch.scope(() => saveSafetensors(path, whole.stateDict()))
      const { model, head } = await createPublishedClassifier({ ...request, backbone: { name, pretrained: path } })
      try {
        whole.eval()
        model.eval()
        await torch.scope(() =>
          torch.noGrad(async () => {
            const images = torch.tensor(
              Float32Array.from({ length: 2 * 3072 }, (_, i) => Math.sin(i)),
              { shape: [2, 3, 32, 32] },
            )
            const pooled = await model.forward(images)
            assert.deepEqual(pooled.shape, [2, model.numFeatures])
            const [ours, theirs] = [await head.forward(pooled), await whole.forward(images)]
            const largest = torch.ops.max(torch.ops.abs(torch.ops.sub(ours, theirs))).item()
            assert.ok(largest < 1e-5, `${largest}`)
          }),
        )
      } finally {
        model.dispose()
        head.dispose()
      }
    })
  }

  it('refuses weights without a classifier', async () => {
    const path = await saved('features.safetensors', 0)
    const backbone = { name: 'small_cnn', width: 4, pretrained: path }
    await assert.rejects(createPublishedClassifier({ ...request, imageSize: 8, backbone }), (error: unknown) => {
      assert.ok(error instanceof SnapshotError)
      assert.match(error.message, /expected a classifier, but the file has none/)
      return true
    })
  })

  it('refuses weights that are no numbers, and names them', async () => {
    using broken = await createModel('small_cnn', { numClasses: 3, width: 4, seed: 1 })
    const path = join(folder, 'diverged.safetensors')
    await torch.scope(async () => {
      const state = broken.stateDict()
      const [name = ''] = state.keys()
      const shape = state.get(name)?.shape ?? []
      const size = shape.reduce((a, b) => a * b, 1)
      state.set(name, torch.tensor(new Float32Array(size).fill(NaN), { shape: [...shape] }))
      await saveSafetensors(path, state, {})
      await assert.rejects(
        createModel('small_cnn', { numClasses: 3, width: 4, pretrained: path }),
        (error: unknown) => error instanceof SnapshotError && error.message.includes(`1 tensors hold NaN: ${name}`),
      )
    })
  })

  it('leaves no tensor behind', async () => {
    const path = await saved('counted.safetensors', 3)
    const before = torch.liveTensors()
    const backbone = { name: 'small_cnn', width: 4, pretrained: path }
    const { model, head } = await createPublishedClassifier({ ...request, imageSize: 8, backbone })
    model.dispose()
    head.dispose()
    assert.equal(torch.liveTensors(), before)
  })
})
