/**
 * What every backbone must do, over the registry: all tiny variants (`…_test`), and of each family a real one on a small image. A new
 * family is tested by being listed; it needs a line here only when its smallest network is large.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { NativeModule, torch } from '../../src/binding/index.ts'
import type { Tensor } from '../../src/binding/index.ts'
import { exportOnnx } from '../../src/export/index.ts'
import { createModel, listModels, loadWeights, saveSafetensors } from '../../src/models/index.ts'
import type { Model, ModelInfo, ModelOptions } from '../../src/models/index.ts'
import { SnapshotError } from '../../src/util/errors.ts'
import { goldenParameters, timmParameters } from './backbone-golden.ts'

const classes = 5

/** Real networks, and the image size at which they are quick. */
const real: Readonly<Record<string, number>> = {
  resnet18: 32,
  resnet20: 32,
  convnextv2_atto: 64,
  small_cnn: 8,
  test_vit: 96,
  test_vit2: 64,
  vit_tiny_patch16_224: 64,
  vit_small_patch14_dinov2: 42,
  vit_tiny_patch16_dinov3_qkvb: 48,
  eva02_tiny_patch14_224: 42,
}

/** Options that change what a network computes, on the networks that take them. */
const variants: readonly { name: string; options: ModelOptions }[] = [
  ...['vit_test', 'dinov2_test', 'dinov3_test', 'eva02_test', 'eva02_packed_test'].flatMap((name) => [
    { name, options: { tokenMergingRatio: 0.5 } },
    { name, options: { tokenLearnerTokens: 4 } },
    { name, options: { tokenMergingRatio: 0.25, tokenLearnerTokens: 3 } },
  ]),
  ...['resnet_test', 'convnextv2_test', 'swinv2_test', 'dinov2_test', 'small_cnn'].map((name) => ({
    name,
    options: { useCbam: true, useMixstyle: true, mixstyleP: 1 },
  })),
  { name: 'hybrid_test', options: { fusion: 'gate' } },
]

/** A softmax over space does not see what is added to all places alike; a hidden layer of one or two neurons may be silent. */
const withoutGradient = /^token_learner\.fc2\.bias$|cbam\.ChannelGate\.mlp\.(1\.|3\.weight)/

/** A network whose export is refused, and the reason that the error gives. */
const notExported: Readonly<Record<string, RegExp>> = {}

interface Subject {
  readonly title: string
  readonly info: ModelInfo
  readonly options: ModelOptions & { readonly imageSize: number }
}

/** Tiny networks run at their own size, or at the 32 pixels to which a network for large images can be brought down. */
function sizeOf({ name, preprocessing }: ModelInfo): number {
  return real[name] ?? (preprocessing.imageSize > 64 ? 32 : preprocessing.imageSize)
}

const listed = listModels()
const infoOf = (name: string): ModelInfo => {
  const info = listed.find((entry) => entry.name === name)
  assert.ok(info !== undefined, `${name} is not in the registry`)
  return info
}

const subjects: Subject[] = [
  ...listed.filter(({ name }) => name.endsWith('_test') || name in real).map((info) => ({ info, options: {} })),
  ...variants.map(({ name, options }) => ({ info: infoOf(name), options })),
].map(({ info, options }) => ({
  title: [info.name, ...Object.entries(options).map(([key, value]) => `${key} ${String(value)}`)].join(', '),
  info,
  options: { ...options, imageSize: sizeOf(info) },
}))

/** Images [N, 3, S, S] that differ from each other and from one place to the next. */
function imagesOf(count: number, size: number): Tensor {
  const values = Float32Array.from({ length: count * 3 * size * size }, (_, i) =>
    Math.sin(0.37 * i + 0.011 * i * (i % 7)),
  )
  return torch.tensor(values, { shape: [count, 3, size, size] })
}

/** The same as bytes S × S × 3. */
function pixelsOf(count: number, size: number): Uint8Array[] {
  return Array.from({ length: count }, (_, n) =>
    Uint8Array.from({ length: size * size * 3 }, (_, i) => (i * 37 + n * 101 + ((i * i * (n + 3)) % 89)) % 256),
  )
}

/** Every weight moved off its start, where a zero or a factor of 10⁻⁵ would hide what it multiplies. */
async function shaken(model: Model): Promise<void> {
  const state = new Map<string, Tensor>()
  torch.manualSeed(12)
  for (const [name, value] of model.stateDict()) {
    if (value.dtype !== 'float32') continue
    const scale = name.endsWith('running_var') ? 0.1 : 0.05
    const noise = torch.call('aten::randn', value.shape) as Tensor
    const moved = torch.ops.add(value, torch.ops.mul(noise, torch.tensor(scale)))
    state.set(name, name.endsWith('running_var') ? torch.ops.abs(moved) : moved)
  }
  await model.loadStateDict(state, { strict: false })
}

async function withModel(
  { info, options }: Subject,
  more: ModelOptions,
  use: (model: Model) => Promise<void>,
): Promise<void> {
  await torch.scope(async () => {
    using model = await createModel(info.name, { numClasses: classes, seed: 3, ...options, ...more })
    await use(model)
  })
}

function assertClose(actual: readonly number[], expected: readonly number[], tolerance: number, what: string): void {
  assert.equal(actual.length, expected.length, what)
  const largest = Math.max(1, ...expected.map(Math.abs))
  actual.forEach((value, i) => {
    const off = Math.abs(value - (expected[i] as number))
    assert.ok(off <= tolerance * largest, `${what}: ${value} and ${expected[i]} at ${i}`)
  })
}

describe('backbones', () => {
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'trivium-backbones-'))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  it('of every family are here', () => {
    const families = (infos: readonly ModelInfo[]): string[] => [...new Set(infos.map(({ family }) => family))].sort()
    assert.deepEqual(families(subjects.map(({ info }) => info)), families(listed))
  })

  it('have as many parameters as timm’s', () => {
    const known = timmParameters()
    const named = listed.filter(({ name }) => known.has(name))
    assert.ok(named.length >= 60, `only ${named.length} networks are known to timm`)
    for (const { name, parameters } of named) assert.equal(parameters, known.get(name), name)
    for (const { name, aliasOf, parameters } of listed) {
      if (aliasOf !== '') assert.equal(parameters, known.get(aliasOf), name)
    }
  })

  for (const subject of subjects) {
    const { title, info, options } = subject
    const size = options.imageSize

    describe(title, () => {
      it('gives finite logits, which are what pooling its features and classifying them gives', async () => {
        await withModel(subject, {}, async (model) => {
          model.eval()
          const images = imagesOf(2, size)
          const logits = await model.forward(images)
          assert.deepEqual(logits.shape, [2, classes])
          assert.ok(logits.toArray().every(Number.isFinite))
          const pooled = await model.pool(await model.forwardFeatures(images))
          assert.deepEqual(pooled.shape, [2, model.numFeatures])
          using headless = await createModel(info.name, { ...options, seed: 3, numClasses: 0 })
          await headless.loadStateDict(model.stateDict(), { strict: false })
          headless.eval()
          assertClose((await headless.forward(images)).toArray(), pooled.toArray(), 1e-6, 'pooled features')
        })
      })

      it('gives every parameter a finite gradient', async () => {
        await withModel(subject, {}, async (model) => {
          await shaken(model)
          model.train()
          const logits = await model.forward(imagesOf(4, size))
          await torch.backward(torch.ops.mean(torch.ops.mul(logits, logits), [0, 1]))
          for (const [name, parameter] of model.namedParameters()) {
            assert.ok(parameter.grad !== null, `${name} has no gradient`)
            const values = parameter.grad.toArray()
            assert.ok(values.every(Number.isFinite), `${name}: not finite`)
            if (!withoutGradient.test(name))
              assert.ok(
                values.some((value) => value !== 0),
                `${name}: zero everywhere`,
              )
          }
        })
      })

      it('comes back from a file, strictly', async () => {
        await withModel(subject, {}, async (model) => {
          const path = join(folder, `${info.name}.safetensors`)
          await saveSafetensors(path, model.stateDict())
          const images = imagesOf(2, size)
          const wanted = (await model.eval().forward(images)).toArray()
          using other = await createModel(info.name, { numClasses: classes, ...options, seed: 4 })
          other.eval()
          assert.notDeepEqual((await other.forward(images)).toArray(), wanted)
          const state = await loadWeights(path)
          await other.loadStateDict(state)
          assert.deepEqual((await other.forward(images)).toArray(), wanted)

          const [lost] = [...state.keys()].slice(-1) as [string]
          state.delete(lost)
          state.set('surplus', torch.zeros([1]))
          await assert.rejects(other.loadStateDict(state), (error: unknown) => {
            assert.ok(error instanceof SnapshotError)
            assert.ok(error.message.includes(lost) && error.message.includes('surplus'), error.message)
            return true
          })
        })
      })

      it('repeats itself: in evaluation always, in training from the same seed; images do not disturb each other', async () => {
        await withModel(subject, {}, async (model) => {
          await shaken(model)
          model.eval()
          const images = imagesOf(3, size)
          const logits = (await model.forward(images)).toArray()
          assert.deepEqual((await model.forward(images)).toArray(), logits)
          const alone = (await model.forward(torch.ops.narrow(images, 0, 1, 1))).toArray()
          assertClose(alone, logits.slice(classes, 2 * classes), 1e-4, 'one image alone')
          const trained = async (): Promise<number[]> => {
            torch.manualSeed(9)
            return (await model.train().forward(images)).toArray()
          }
          assert.deepEqual(await trained(), await trained())
        })
      })

      it(
        info.name in notExported ? 'says why it has no ONNX form' : 'computes the same in ONNX Runtime, at any batch',
        async () => {
          await withModel(subject, {}, async (model) => {
            await shaken(model)
            const { mean, std } = model.preprocessing
            const classifier = await NativeModule.createClassifier({
              backbone: model.native,
              head: null,
              logitScale: 1,
              mean,
              std,
            })
            try {
              const exported = exportOnnx({
                classifier,
                imageSize: size,
                classNames: Array.from({ length: classes }, (_, i) => `class ${i}`),
                preprocessing: { resizeTo: size, imageSize: size, interpolation: 'bicubic', mean, std },
                path: join(folder, `${info.name}.onnx`),
                probes: pixelsOf(4, size),
              })
              const reason = notExported[info.name]
              if (reason === undefined) assert.ok((await exported).nodes > 0)
              else await assert.rejects(exported, reason)
            } finally {
              classifier.dispose()
            }
          })
        },
      )

      if (Object.keys(options).length === 1) {
        it('has the tensors that the golden files counted', async () => {
          await withModel(subject, {}, async (model) => {
            const expected = goldenParameters(info.name, { imageSize: size, classes, numFeatures: model.numFeatures })
            if (expected === undefined) {
              using usual = await createModel(info.name, { seed: 1 })
              assert.equal(usual.parameterCount, info.parameters)
            } else {
              assert.equal(model.parameterCount, expected)
            }
          })
        })
      }
    })
  }
})
