import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import {
  pipelineConfigSchema,
  runPipeline,
  type PhaseName,
  type PipelineConfigInput,
} from '../../../src/phases/index.ts'
import { expectWeights } from '../../../src/phases/lineage.ts'
import { ConfigError } from '../../../src/util/errors.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-weights-'))
after(() => rmSync(root, { recursive: true }))
const run = { snapshots: join(root, 'snapshots', 'one') }

const expect = (phases: PhaseName[], input: PipelineConfigInput, resume = false): Promise<void> =>
  expectWeights(phases, pipelineConfigSchema.parse(input), run, resume)

test('weights › snapshots that a later phase needs and that are not there are named before anything is trained', async () => {
  const missing = join(root, 'snapshots', 'other', 'arcface')
  for (const [input, option, message] of [
    [
      { distill: { teacherSnapshots: [missing] } },
      'teacherSnapshots',
      /^distill\.teacher_snapshots: .*arcface, and there is nothing/,
    ],
    [
      { distill: { teacherSnapshots: [`${missing}/cycle-*`] } },
      'teacherSnapshots',
      /whose paths fit .*cycle-\*, and there are none/,
    ],
    [
      { distill: { teacherBackbonePath: missing } },
      'teacherBackbonePath',
      /^distill\.teacher_backbone_path: .*nothing/,
    ],
    [{ distill: { initFrom: missing } }, 'initFrom', /^distill\.init_from: .*nothing/],
    [{ distill: { initFrom: `${missing}.pth` } }, 'initFrom', /bare weights\. Give them as backbone\.pretrained\./],
    [{ distill: { initFrom: 'hf:a/b' } }, 'initFrom', /hf:a\/b names bare weights/],
    [
      { distill: { teacherSnapshots: [`${missing}.safetensors`] } },
      'teacherSnapshots',
      /bare weights\. Give them as distill\.teacher_backbone_path\./,
    ],
  ] as const)
    await assert.rejects(expect(['arcface', 'distill'], input), (error: unknown) => {
      assert.ok(error instanceof ConfigError)
      assert.match(error.message, message)
      assert.deepEqual(error.option, ['distill', option])
      return true
    })
  const config = pipelineConfigSchema.parse({
    run: { directory: join(root, 'whole') },
    distill: { teacherSnapshots: [missing] },
  })
  await assert.rejects(runPipeline(config, { phases: ['arcface', 'distill'] }), /teacher_snapshots: .*there is nothing/)
  await expect(['arcface'], { distill: { teacherSnapshots: [missing] } })
})

test('weights › beside a snapshot folder, which brings network and head, neither is named', async () => {
  const folder = join(root, 'teacher')
  mkdirSync(folder)
  const teacher = { teacherBackbonePath: folder, teacherBackbone: null, teacherHeadPath: null }
  await expect(['distill'], { distill: teacher })
  const head = join(folder, 'head.safetensors')
  writeFileSync(head, '')
  await assert.rejects(
    expect(['distill'], { distill: { ...teacher, teacherHeadPath: head } }),
    /distill\.teacher_head_path: expected none beside a snapshot folder, which brings its own head/,
  )
  await assert.rejects(
    expect(['distill'], { distill: { ...teacher, teacherBackbone: { name: 'resnet18' } } }),
    /distill\.teacher_backbone: expected none beside a snapshot folder, which brings its own network/,
  )
})

test('weights › what an earlier phase of the run leaves, what is there, and what a finished phase had needed, are in order', async () => {
  const own = join(run.snapshots, 'arcface', 'cycle-*')
  await expect(['arcface', 'distill'], { distill: { teacherSnapshots: [own] } })
  await assert.rejects(expect(['distill'], { distill: { teacherSnapshots: [own] } }), ConfigError)
  const later = { arcface: { initFrom: join(run.snapshots, 'distill', 'best') } }
  await assert.rejects(expect(['arcface', 'distill'], later), ConfigError, 'what a later phase leaves is not there yet')
  const there = join(root, 'there')
  mkdirSync(there)
  await expect(['distill'], { distill: { teacherSnapshots: [there] } })
  const done = join(run.snapshots, 'distill', 'epoch-0001')
  mkdirSync(done, { recursive: true })
  writeFileSync(join(done, 'manifest.json'), '{}')
  writeFileSync(join(done, 'state.json'), '{"finished": true}')
  writeFileSync(join(run.snapshots, 'distill', 'last'), 'epoch-0001\n')
  const gone = { distill: { teacherSnapshots: [join(root, 'gone')] } }
  await expect(['distill'], gone, true)
  await assert.rejects(expect(['distill'], gone, false), ConfigError)
  const elsewhere = join(root, 'elsewhere')
  renameSync(join(run.snapshots, 'distill'), elsewhere)
  mkdirSync(join(run.snapshots, 'distill'))
  writeFileSync(join(run.snapshots, 'distill', 'fallback'), `${elsewhere}\n`)
  await expect(['distill'], gone, true)
})
