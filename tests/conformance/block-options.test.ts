/**
 * Blocks and adapters on every family: each option acts on a network, or is refused with the reason, and all that a network takes at once
 * is trained, interrupted, resumed and exported. A new family needs a line in `kinds`.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import onnxProto from 'onnx-proto'
import { readSafetensors, torch, type Tensor } from '../../src/binding/index.ts'
import { createModel, listModels, saveSafetensors, type Model, type ModelOptions } from '../../src/models/index.ts'
import { pipelineConfigSchema, runPipeline, type PhaseName, type PipelineResult } from '../../src/phases/index.ts'
import { readPointer } from '../../src/snapshot/index.ts'
import { ConfigError } from '../../src/util/errors.ts'
import { silentLogger, type Logger } from '../../src/util/logger.ts'

interface Kind {
  /** has layers for LoRA and IA3 */
  readonly linear: boolean
  /** has tokens that can be merged and learned */
  readonly tokens: boolean
  /** has residual branches */
  readonly branches: boolean
}

const plain: Kind = { linear: false, tokens: false, branches: false }
const residual: Kind = { ...plain, branches: true }
const transformer: Kind = { linear: true, tokens: true, branches: true }

/** By family. */
const kinds: Readonly<Record<string, Kind>> = {
  small_cnn: plain,
  cifar_cnn: plain,
  resnet: residual,
  cifar_resnet: residual,
  convnext: { ...residual, linear: true },
  swin_v2: { ...residual, linear: true },
  vit: transformer,
  dinov2: transformer,
  dinov3: transformer,
  eva: transformer,
  hybrid: transformer,
}

interface Case {
  readonly options: ModelOptions
  /** why a network without it refuses it */
  readonly refused: RegExp
  readonly needs?: keyof Kind
  /** what changes: the results, those of training alone, the tensors, or nothing */
  readonly acts: 'always' | 'in training' | 'by tensors' | 'never'
}

const noLinear = /adapts linear layers and this network has none/
const noTokens = /which has no tokens|where no token may be missing/

const cases: Readonly<Record<string, Case>> = {
  drop_path_rate: {
    options: { dropPathRate: 0.5 },
    needs: 'branches',
    refused: /leaves out residual branches/,
    acts: 'in training',
  },
  gradient_checkpointing: { options: { gradientCheckpointing: true }, refused: /^$/, acts: 'never' },
  use_cbam: { options: { useCbam: true }, refused: /^$/, acts: 'by tensors' },
  use_mixstyle: { options: { useMixstyle: true, mixstyleP: 1 }, refused: /^$/, acts: 'in training' },
  token_merging_ratio: { options: { tokenMergingRatio: 0.5 }, needs: 'tokens', refused: noTokens, acts: 'always' },
  token_learner_tokens: {
    options: { tokenLearnerTokens: 3 },
    needs: 'tokens',
    refused: noTokens,
    acts: 'by tensors',
  },
  lora_rank: { options: { loraRank: 2 }, needs: 'linear', refused: noLinear, acts: 'by tensors' },
  use_ia3: { options: { useIa3: true }, needs: 'linear', refused: noLinear, acts: 'by tensors' },
}

const imageSize = 32
const subjects = listModels()
  .filter(({ name }) => name.endsWith('_test') || name === 'small_cnn')
  .map(({ name, family }) => ({ name, family }))

const kindOf = (family: string): Kind => {
  const kind = kinds[family]
  assert.ok(kind !== undefined, `${family} has no line in this test`)
  return kind
}

function make(name: string, options: ModelOptions): Promise<Model> {
  return createModel(name, { numClasses: 3, imageSize, seed: 5, ...options })
}

const images = (): Tensor => {
  const values = Float32Array.from({ length: 4 * 3 * imageSize ** 2 }, (_, i) =>
    Math.sin(0.37 * i + 0.011 * i * (i % 7)),
  )
  return torch.tensor(values, { shape: [4, 3, imageSize, imageSize] })
}

/** Weights away from their start, where zeros and tiny scales would hide what they multiply; equal names get equal values. */
async function shaken(model: Model): Promise<void> {
  const state = new Map<string, Tensor>()
  for (const [name, value] of model.stateDict()) {
    if (value.dtype !== 'float32' || /\.running_/.test(name)) continue
    torch.manualSeed([...name].reduce((sum, letter) => sum * 31 + letter.charCodeAt(0), 7) % 1_000_003)
    const noise = torch.call('aten::randn', value.shape) as Tensor
    state.set(name, torch.ops.add(value, torch.ops.mul(noise, torch.tensor(0.05))))
  }
  await model.loadStateDict(state, { strict: false })
}

async function outputs(model: Model, training: boolean, seed: number): Promise<number[]> {
  return torch.scope(async () => {
    model.native.train(training)
    torch.manualSeed(seed)
    return torch.noGrad(async () => (await model.native.forward(images())).toArray())
  })
}

describe('blocks and adapters', () => {
  for (const [key, { options, needs, refused, acts }] of Object.entries(cases)) {
    describe(key, () => {
      for (const { name, family } of subjects) {
        if (needs !== undefined && !kindOf(family)[needs]) {
          it(`is refused by ${name}, with the reason`, async () => {
            await assert.rejects(make(name, options), (error: unknown) => {
              assert.ok(error instanceof ConfigError, String(error))
              assert.match(error.message, refused)
              assert.ok(error.message.includes(key), error.message)
              return true
            })
          })
          continue
        }
        it(`acts on ${name}`, async () => {
          await torch.scope(async () => {
            using without = await make(name, {})
            using model = await make(name, options)
            const own = new Set(without.stateDict().keys())
            const added = [...model.stateDict().keys()].filter((tensor) => !own.has(tensor))
            assert.equal(added.length > 0, acts === 'by tensors', added.join())
            await shaken(without)
            await shaken(model)
            const evaluated = await outputs(model, false, 1)
            assert.equal(evaluated.every(Number.isFinite), true)
            const same = (a: readonly number[], b: readonly number[]): boolean =>
              a.every((value, i) => Math.abs(value - (b[i] as number)) <= 1e-6 * Math.max(1, Math.abs(value)))
            assert.equal(same(evaluated, await outputs(without, false, 1)), acts === 'never' || acts === 'in training')
            if (acts === 'in training') {
              const trained = await outputs(model, true, 1)
              assert.ok(!same(trained, await outputs(model, true, 2)), 'it draws nothing')
              assert.deepEqual(await outputs(model, true, 1), trained)
            }
          })
        })
      }
    })
  }
})

const root = mkdtempSync(join(tmpdir(), 'trivium-block-options-'))
after(() => rmSync(root, { recursive: true, force: true }))

const sizeOf = (name: string): ModelOptions => (name === 'small_cnn' ? { width: 4 } : {})

/** Everything that a network takes at once. Token reduction leaves no map for CBAM, and has a run of its own. */
function everything(name: string, { linear, branches }: Kind): ModelOptions {
  const adapters = { loraRank: 2, loraAlpha: 6, loraDropout: 0.1, useIa3: true }
  const blocks = { gradientCheckpointing: true, useCbam: true, useMixstyle: true, mixstyleP: 0.7 }
  return { ...sizeOf(name), ...blocks, ...(branches ? { dropPathRate: 0.2 } : {}), ...(linear ? adapters : {}) }
}

const reduced: ModelOptions = {
  tokenMergingRatio: 0.4,
  tokenMergingInflection: -0.5,
  tokenLearnerTokens: 3,
  gradientCheckpointing: true,
  useMixstyle: true,
  loraRank: 2,
  useIa3: true,
}

interface Run {
  readonly name: string
  readonly backbone: ModelOptions & { readonly name: string }
  readonly phases: PhaseName[]
  readonly train?: object
  readonly logger?: Logger
  readonly resume?: boolean
  readonly signal?: AbortSignal
}

function run({ name, backbone, phases, train = {}, ...rest }: Run): Promise<PipelineResult> {
  const config = pipelineConfigSchema.parse({
    run: { name, directory: root },
    device: 'cpu',
    seed: 3,
    data: { dataset: 'digits', imageSize },
    backbone,
    train: { epochs: 2, batchSize: 324, emaDecay: 0.9, lr: 1e-3, weightDecay: 0.05, ...train },
    export: { probes: 4 },
  })
  return runPipeline(config, { phases, ...rest })
}

/** Weights as a published file would hold them; those at the start have zeros through which no adapter would learn. */
async function published(name: string): Promise<string> {
  const path = join(root, `${name}.safetensors`)
  return torch.scope(async () => {
    using model = await createModel(name, { ...sizeOf(name), numClasses: 0, imageSize, seed: 1 })
    await shaken(model)
    await saveSafetensors(path, model.stateDict())
    return path
  })
}

/** As `run`, stopped after its first epoch and resumed. */
async function interrupted(request: Run): Promise<PipelineResult> {
  const stop = new AbortController()
  const logger: Logger = {
    ...silentLogger,
    info: (line) => void (line.startsWith('train epoch 1') && stop.abort()),
    child: () => logger,
  }
  const first = await run({ ...request, phases: ['train'], logger, signal: stop.signal })
  assert.equal(first.outcome, 'interrupted')
  return run({ ...request, resume: true })
}

async function last(name: string, part: string): Promise<Map<string, number[]>> {
  const folder = join(root, 'snapshots', name, 'train')
  const { tensors } = await readSafetensors(
    join(folder, (await readPointer(folder, 'last')) ?? '', `${part}.safetensors`),
  )
  return torch.scope(() => new Map([...tensors].map(([key, tensor]) => [key, tensor.toArray()])))
}

const isAdapter = (name: string): boolean => /\.(lora_A|lora_B|ia3_l)$/.test(name)
const isAdded = (name: string): boolean => /(^|\.)(cbam|token_learner|fusion)\./.test(name)

function initializers(result: PipelineResult): string[] {
  const path = result.phases.at(-1)?.files.find((file) => file.endsWith('.onnx')) ?? ''
  const { graph } = onnxProto.onnx.ModelProto.decode(readFileSync(path))
  return (graph?.initializer ?? []).map(({ name }) => String(name))
}

describe('everything that a network takes at once', () => {
  for (const { name, family } of subjects) {
    const kind = kindOf(family)
    it(`trains, resumes bit by bit and is exported with ${name}`, async () => {
      const pretrained = await published(name)
      const backbone = { name, pretrained, ...everything(name, kind) }
      const train = kind.linear ? {} : { freeze: { stages: 1 }, layerDecay: 0.7 }
      await run({ name: `${name}-whole`, backbone, phases: ['train'], train })
      const result = await interrupted({ name, backbone, phases: ['train', 'export'], train })
      for (const part of ['backbone', 'head', 'optimizer', 'ema_backbone'])
        assert.deepEqual(await last(name, part), await last(`${name}-whole`, part), part)

      // What is frozen is what it was, and has no optimizer state.
      const state = await last(name, 'backbone')
      using fresh = await createModel(name, {
        ...everything(name, kind),
        pretrained,
        numClasses: 0,
        imageSize,
        seed: 3,
      })
      if (!kind.linear) await fresh.freeze({ stages: 1 })
      const trained = new Set<string>()
      for (const [key, tensor] of fresh.native.namedParameters()) {
        if (tensor.requiresGrad) trained.add(key)
        else assert.deepEqual(state.get(key), tensor.toArray(), `${key} has moved`)
      }
      assert.ok(trained.size > 0 && trained.size < state.size)
      if (kind.linear)
        assert.ok(
          [...trained].every((key) => isAdapter(key) || isAdded(key)),
          [...trained].join(),
        )
      for (const key of trained) {
        if (key.endsWith('lora_B'))
          assert.ok(
            state.get(key)?.some((value) => value !== 0),
            `${key} is not trained`,
          )
      }
      const slots = [...(await last(name, 'optimizer')).keys()].filter((slot) => slot.includes('.backbone.'))
      const held = new Set(slots.map((slot) => slot.replace(/^.*?\.backbone\./, '')))
      assert.deepEqual(held, trained)

      const exported = result.phases.at(-1)
      assert.equal(exported?.metrics['top1Agreement'], 1)
      assert.ok(Number(exported?.metrics['maxAbsoluteDifference']) < 1e-4, JSON.stringify(exported?.metrics))
      const names = initializers(result)
      assert.ok(names.length > 0 && !names.some(isAdapter), names.join())
    })

    if (!kind.tokens) continue
    it(`trains, resumes bit by bit and is exported with ${name} and fewer tokens`, async () => {
      const backbone = { name, ...reduced }
      await run({ name: `${name}-reduced-whole`, backbone, phases: ['train'] })
      const result = await interrupted({ name: `${name}-reduced`, backbone, phases: ['train', 'export'] })
      for (const part of ['backbone', 'optimizer', 'ema_backbone'])
        assert.deepEqual(await last(`${name}-reduced`, part), await last(`${name}-reduced-whole`, part), part)
      assert.equal(result.phases.at(-1)?.metrics['top1Agreement'], 1)
      assert.ok(!initializers(result).some(isAdapter))
    })
  }
})
