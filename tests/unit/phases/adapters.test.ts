/** Adapters and freezing through the phases: what is trained, stored, taken over, distilled from, measured and exported. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import onnxProto from 'onnx-proto'
import { readSafetensors, torch } from '../../../src/binding/index.ts'
import { createModel, loadWeights } from '../../../src/models/index.ts'
import {
  pipelineConfigSchema,
  runPipeline,
  type PhaseName,
  type PipelineConfigInput,
  type PipelineResult,
} from '../../../src/phases/index.ts'
import type { Logger } from '../../../src/util/logger.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-adapter-phases-'))
after(() => rmSync(root, { recursive: true, force: true }))

const lines: string[] = []
const logger: Logger = {
  debug: () => undefined,
  info: (line) => void lines.push(line),
  warn: (line) => void lines.push(`warning: ${line}`),
  error: (line) => void lines.push(line),
  child: () => logger,
}

const lora = { name: 'vit_test', patchSize: 4, loraRank: 2, loraAlpha: 4, loraDropout: 0.1 } as const

function run(name: string, phases: PhaseName[], changes: PipelineConfigInput): Promise<PipelineResult> {
  const quick = { steps: 3, batchSize: 32, emaDecay: 0.9 }
  const config = pipelineConfigSchema.parse({
    run: { name, directory: root },
    device: 'cpu',
    data: { dataset: 'digits', imageSize: 8 },
    backbone: lora,
    export: { probes: 4, ...changes.export },
    ...Object.fromEntries(
      (['train', 'arcface', 'distill'] as const).map((phase) => [phase, { ...quick, ...changes[phase] }]),
    ),
    ...('backbone' in changes ? { backbone: changes.backbone } : {}),
  })
  return runPipeline(config, { phases, logger })
}

const snapshot = (name: string, phase: string, part: string): string =>
  join(root, 'snapshots', name, phase, 'best', `${part}.safetensors`)

async function tensors(name: string, phase: string, part: string): Promise<Map<string, number[]>> {
  const { tensors: read } = await readSafetensors(snapshot(name, phase, part))
  return torch.scope(() => new Map([...read].map(([key, tensor]) => [key, tensor.toArray()])))
}

const isAdapter = (name: string): boolean => /\.(lora_A|lora_B|ia3_l)$/.test(name)
const said = (pattern: RegExp): string | undefined => lines.find((line) => pattern.test(line))

let result: PipelineResult
before(async () => {
  result = await run('curriculum', ['arcface', 'distill', 'evaluate', 'export'], {
    distill: { backbone: { name: 'vit_test', patchSize: 4, useIa3: true } },
  })
})

test('phases › adapters alone are trained, and the log says how many parameters are', async () => {
  assert.equal(result.outcome, 'finished')
  assert.ok(said(/^warning: arcface: adapters are trained on a backbone with random weights/))
  const text = said(/^arcface: vit_test with a cosine head/) ?? ''
  const [, all, trained, frozen] = (/(\d+) parameters \((\d+) trained, (\d+) frozen\)/.exec(text) ?? []).map(Number)
  const [live, head] = [
    await tensors('curriculum', 'arcface', 'backbone'),
    await tensors('curriculum', 'arcface', 'head'),
  ]
  const count = (state: Map<string, number[]>, wanted: (name: string) => boolean): number =>
    [...state].reduce((sum, [name, values]) => sum + (wanted(name) ? values.length : 0), 0)
  const heads = count(head, () => true)
  assert.deepEqual([all, trained, frozen], [
    count(live, () => true) + heads,
    count(live, isAdapter) + heads,
    count(live, (name) => !isAdapter(name)),
  ]) // prettier-ignore
  const slots = [...(await tensors('curriculum', 'arcface', 'optimizer')).keys()]
  assert.ok(slots.filter((slot) => slot.includes('.backbone.')).every(isAdapter))
})

test('phases › a phase with other adapters begins on the merged weights of its predecessor', async () => {
  assert.ok(said(/^distill: starts from .*, its adapters merged/), lines.join('\n'))
  const from = await tensors('curriculum', 'arcface', 'ema_backbone')
  const to = await tensors('curriculum', 'distill', 'backbone')
  assert.ok([...to.keys()].every((name) => !name.includes('lora')))
  assert.ok(to.has('blocks.0.attn.qkv.ia3_l'))
  const name = 'blocks.1.attn.proj'
  const [w, a, b] = ['weight', 'lora_A', 'lora_B'].map((part) => from.get(`${name}.${part}`)!) as [
    number[],
    number[],
    number[],
  ]
  const width = 32
  const merged = w.map((value, i) => {
    const [row, column] = [Math.floor(i / width), i % width]
    return value + (4 / 2) * (b[row * 2]! * a[column]! + b[row * 2 + 1]! * a[width + column]!)
  })
  const actual = to.get(`${name}.weight`)!
  assert.ok(Math.max(...merged.map((value, i) => Math.abs(value - actual[i]!))) < 1e-7)
  assert.notDeepEqual(actual, w)
})

test('phases › what is measured and exported is the merged network', () => {
  const exported = result.phases.find(({ phase }) => phase === 'export')!
  assert.equal(exported.metrics['top1Agreement'], 1)
  const path = exported.files.find((file) => file.endsWith('.onnx'))!
  const names = onnxProto.onnx.ModelProto.decode(readFileSync(path)).graph?.initializer?.map(({ name }) => String(name))
  assert.ok(names?.includes('backbone.blocks.0.attn.qkv.weight'), names?.join())
  assert.ok(!names?.some(isAdapter))
  assert.ok(existsSync(join(root, 'eval_results', 'curriculum', 'metrics.json')))
})

test('phases › an export writes the merged backbone for timm, and the adapters alone, when it is asked to', async () => {
  const exported = await run('curriculum', ['export'], {
    distill: { backbone: { name: 'vit_test', patchSize: 4, useIa3: true } },
    export: { formats: ['safetensors', 'adapters'] },
  })
  const [whole = '', alone = ''] = exported.phases.at(-1)?.files ?? []
  assert.match(whole, /backbone\.safetensors$/)
  assert.match(alone, /adapters\.safetensors$/)
  assert.ok(statSync(alone).size < statSync(whole).size / 10)
  const made = { numClasses: 0, imageSize: 8, patchSize: 4 }
  using merged = await createModel('vit_test', { ...made, pretrained: whole })
  using adapted = await createModel('vit_test', { ...made, pretrained: snapshot('curriculum', 'distill', 'backbone') })
  assert.ok(![...(await loadWeights(whole)).keys()].some(isAdapter))
  assert.deepEqual(new Set((await loadWeights(alone)).keys()), new Set([0, 1].flatMap((block) => [
    `blocks.${block}.attn.qkv.ia3_l`,
    `blocks.${block}.mlp.fc2.ia3_l`,
  ]))) // prettier-ignore
  assert.equal(merged.parameterCount, adapted.parameterCount)
  await assert.rejects(run('frozen-export', ['train', 'export'], {
    backbone: { name: 'small_cnn', width: 4 },
    export: { formats: ['adapters'] },
  }), /expected a network with adapters.*train trains without/) // prettier-ignore
})

test('phases › the same adapters go on where the predecessor left them, and an explicit teacher may have adapters', async () => {
  lines.length = 0
  const teacherBackbonePath = snapshot('curriculum', 'arcface', 'ema_backbone')
  const teacherHeadPath = snapshot('curriculum', 'arcface', 'ema_head')
  const again = await run('same', ['arcface', 'distill'], { distill: { teacherBackbonePath, teacherHeadPath } })
  assert.equal(again.outcome, 'finished')
  assert.ok(said(/^distill: starts from backbone and head of \S+$/), lines.join('\n'))
  const [from, to] = [await tensors('same', 'arcface', 'ema_backbone'), await tensors('same', 'distill', 'backbone')]
  assert.deepEqual(to.get('blocks.0.attn.qkv.weight'), from.get('blocks.0.attn.qkv.weight'))
  assert.ok(to.has('blocks.0.attn.qkv.lora_A'))
})

test('phases › a frozen backbone is stored as it was, and thaws when it is told to', async () => {
  lines.length = 0
  const plain = { name: 'small_cnn', width: 4 }
  const train = { steps: null, epochs: 1, batchSize: 128, freeze: true }
  await run('frozen', ['train'], { backbone: plain, train })
  assert.ok(said(/\(170 trained, \d+ frozen\)/), lines.join('\n')) // a linear head over 16 features
  const slots = [...(await tensors('frozen', 'train', 'optimizer')).keys()]
  assert.ok(
    slots.every((slot) => slot === 'step' || slot.includes('.head.')),
    slots.join(),
  )

  const thaw = { ...train, epochs: 2, freeze: { patterns: ['stages.0'], untilEpoch: 1 } }
  await run('thawed', ['train'], { backbone: plain, train: thaw })
  assert.ok(said(/^train: from epoch 2 on, \d+ more parameters of the backbone are trained/), lines.join('\n'))
})

test('phases › what cannot be adapted or frozen is refused before anything is trained', async () => {
  const conv = { name: 'small_cnn', loraRank: 4 }
  await assert.rejects(run('x1', ['train'], { backbone: conv }), /small_cnn: lora_rank: LoRA adapts linear layers/)
  assert.ok(!existsSync(join(root, 'snapshots', 'x1', 'train')))
  const freeze = { freeze: { stages: 99 } }
  await assert.rejects(run('x2', ['train'], { train: freeze }), /train\.freeze\.stages: expected 0 to \d+/)
  assert.ok(!existsSync(join(root, 'snapshots', 'x2', 'train')))
  const patterns = { freeze: { patterns: ['blokcs'] } }
  await assert.rejects(run('x3', ['train'], { train: patterns }), /train\.freeze\.patterns: "blokcs".*"blocks"\?/)
})
