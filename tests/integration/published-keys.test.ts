/**
 * Every key of the published configurations' training sections, from the YAML file to the weights: the file with its networks and lengths made
 * small, once as it is and once for each key with another value. A key that were read and ignored would leave equal bits.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { pipelineConfig } from '../../src/cli/session.ts'
import { resolveConfig } from '../../src/config/index.ts'
import { runPipeline } from '../../src/phases/index.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-published-'))
after(() => rmSync(root, { recursive: true, force: true }))

type Phase = 'supcon' | 'arcface' | 'distill'

/** The published file; in place of published networks and teachers small ones, and few steps. */
const published = `
run: { directory: ${root} }
device: cpu
threads: 1
data: { dataset: digits, subset_per_class: 8 }
supcon:
  enabled: true
  batch_size: 16
  image_size: 32
  steps: 2
  augmentations:
    randaugment: { num_ops: 2, magnitude: 7 }
    trivialaugment: true
  backbone:
    vit_model: vit_test
    token_merging_ratio: 0.3
    lora_rank: 4
arcface:
  steps: 2
  batch_size: 16
  lr: 1e-4
  mix_method: cutmix
  use_curricularface: true
  use_manifold_mixup: true
  ema_decay: 0.9995
  augmentations:
    random_resized_crop: true
    randaugment: { num_ops: 2, magnitude: 9 }
    random_erasing: { p: 0.25 }
  backbone:
    vit_model: vit_test
    token_merging_ratio: 0.5
    token_learner_tokens: 8
    lora_rank: 8
    use_ia3: true
distill:
  steps: 2
  batch_size: 16
  teacher_backbone_path: TEACHER/ema_backbone.safetensors
  teacher_head_path: TEACHER/ema_head.safetensors
  use_ema_teacher: true
  use_manifold_mixup: true
  augmentations:
    randaugment: { num_ops: 2, magnitude: 6 }
  backbone:
    vit_model: vit_test
    token_merging_ratio: 0.4
`

let runs = 0

/** One phase of the published file, alone. @returns its snapshot's folder */
async function train(phase: Phase, set: readonly string[], text: string): Promise<string> {
  const name = `run-${runs++}`
  const config = join(root, `${name}.yaml`)
  writeFileSync(config, text)
  const resolved = resolveConfig({ config, phases: [phase], set: [`run.name=${name}`, ...set] })
  const { outcome } = await runPipeline(pipelineConfig(resolved), { phases: [phase] })
  assert.equal(outcome, 'finished')
  return realpathSync(join(root, 'snapshots', name, phase, 'last'))
}

/** SHA-256 of all that was learned. */
function learned(snapshot: string): string {
  const { files } = JSON.parse(readFileSync(join(snapshot, 'manifest.json'), 'utf8')) as {
    files: Record<string, { sha256: string }>
  }
  const weights = Object.entries(files).filter(([file]) => /^(ema_)?(backbone|head)\.safetensors$/.test(file))
  return JSON.stringify(weights.map(([file, { sha256 }]) => [file, sha256]).sort())
}

const once = new Map<string, Promise<string>>()
const remember = (key: string, make: () => Promise<string>): Promise<string> => {
  const known = once.get(key) ?? make()
  once.set(key, known)
  return known
}

/** A classifier with the student's network: that of weights in files is not described in them. */
const teacher = (seed: number): Promise<string> =>
  remember(`teacher ${seed}`, () => {
    const network = ['token_merging_ratio=0.4', 'token_learner_tokens=0', 'lora_rank=0', 'use_ia3=false'].map(
      (key) => `arcface.backbone.${key}`,
    )
    return train('arcface', [`seed=${seed}`, 'arcface.ema_decay=0.05', 'arcface.lr=0.01', ...network], published)
  })

async function bits(phase: Phase, ...set: string[]): Promise<string> {
  const text = phase === 'distill' ? published.replaceAll('TEACHER', await teacher(1)) : published
  return remember(`${phase} ${set.join(' ')}`, async () => learned(await train(phase, set, text)))
}

/** Each key with a value that is not the file's; several of them where one alone would be refused. */
const others: Readonly<Record<Phase, readonly string[]>> = {
  supcon: [
    'supcon.batch_size=20',
    'supcon.image_size=40',
    'supcon.steps=3',
    'supcon.augmentations.randaugment.num_ops=1',
    'supcon.augmentations.randaugment.magnitude=2',
    'supcon.augmentations.trivialaugment=false',
    'supcon.backbone.vit_model=dinov2_test',
    'supcon.backbone.token_merging_ratio=0',
    'supcon.backbone.lora_rank=2',
  ],
  arcface: [
    'arcface.lr=1e-3',
    'arcface.mix_method=mixup',
    'arcface.mix_method=tokenmix',
    'arcface.mix_method=mixtoken',
    'arcface.mix_method=none',
    'arcface.use_curricularface=false',
    'arcface.use_manifold_mixup=false',
    'arcface.ema_decay=0.05', // below what the warm-up of the average begins with
    'arcface.augmentations.random_resized_crop=false',
    'arcface.augmentations.randaugment.num_ops=1',
    'arcface.augmentations.randaugment.magnitude=2',
    'arcface.augmentations.random_erasing.p=1',
    'arcface.backbone.vit_model=dinov2_test',
    'arcface.backbone.token_merging_ratio=0',
    'arcface.backbone.token_learner_tokens=4',
    'arcface.backbone.lora_rank=2',
    'arcface.backbone.use_ia3=false',
  ],
  distill: [
    'distill.use_manifold_mixup=false',
    'distill.augmentations.randaugment.num_ops=1',
    'distill.augmentations.randaugment.magnitude=2',
    'distill.backbone.token_merging_ratio=0',
  ],
}

for (const phase of ['supcon', 'arcface', 'distill'] as const)
  for (const key of others[phase])
    test(`published keys › ${key} gives other weights`, async () => {
      assert.notEqual(await bits(phase, key), await bits(phase))
    })

test('published keys › the same file gives the same weights', async () => {
  const again = learned(await train('supcon', [], published))
  assert.equal(again, await bits('supcon'))
})

test('published keys › distill learns from the weights that the teacher’s paths name, of backbone and head', async () => {
  const [first, second] = [await teacher(1), await teacher(2)]
  const backbone = `distill.teacher_backbone_path=${join(second, 'ema_backbone.safetensors')}`
  const head = `distill.teacher_head_path=${join(second, 'ema_head.safetensors')}`
  const all = [await bits('distill'), await bits('distill', backbone), await bits('distill', head)]
  assert.equal(new Set(all).size, 3)
  // Of a snapshot's folder the average or what was trained teaches, and it says which network it is of: the student may be another.
  const folder = [`distill.teacher_backbone_path=${first}`, 'distill.teacher_head_path=null']
  const average = await bits('distill', ...folder)
  assert.notEqual(await bits('distill', ...folder, 'distill.use_ema_teacher=false'), average)
  assert.notEqual(await bits('distill', ...folder, 'distill.backbone.vit_model=dinov2_test'), average)
})
