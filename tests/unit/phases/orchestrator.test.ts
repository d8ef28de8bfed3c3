import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import {
  DataLoaderStage,
  PipelineOrchestrator,
  pipelineFor,
  TrainingStage,
  type Stage,
  type StageContext,
} from '../../../src/phases/index.ts'
import { lockRun } from '../../../src/snapshot/index.ts'
import { ConfigError, SnapshotError } from '../../../src/util/errors.ts'
import { silentLogger } from '../../../src/util/logger.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-orchestrator-'))
after(() => rmSync(root, { recursive: true, force: true }))
const config = (name: string): object => ({ run: { name, directory: root }, device: 'cpu' })

function stage(name: string, seen: string[], run: (context: StageContext) => void = () => undefined): Stage {
  return {
    name,
    run: (context) => {
      seen.push(name)
      run(context)
      return Promise.resolve()
    },
  }
}

const names = (pipeline: PipelineOrchestrator): string[] => pipeline.stages.map(({ name }) => name)

test('orchestrator › stages are added at a place, removed and moved by name', () => {
  const pipeline = new PipelineOrchestrator()
    .addStage(stage('a', []))
    .addStage(stage('c', []))
    .addStage(stage('b', []), { before: 'c' })
    .addStage(stage('first', []), 0)
    .addStage(stage('d', []), { after: 'c' })
  assert.deepEqual(names(pipeline), ['first', 'a', 'b', 'c', 'd'])
  assert.deepEqual(names(pipeline.removeStage('b')), ['first', 'a', 'c', 'd'])
  assert.deepEqual(names(pipeline.moveStage('d', { before: 'a' })), ['first', 'd', 'a', 'c'])
})

test('orchestrator › an unknown or repeated name is an error that lists what there is', () => {
  const pipeline = new PipelineOrchestrator().addStage(stage('training', []))
  assert.throws(
    () => pipeline.removeStage('trainig'),
    /expected one of the stages training, got "trainig"\. Did you mean "training"\?/,
  )
  assert.throws(() => pipeline.addStage(stage('training', [])), ConfigError)
  assert.throws(() => pipeline.moveStage('training', { after: 'nowhere' }), ConfigError)
  assert.throws(() => pipeline.addStage(null as never), ConfigError)
  assert.throws(() => pipeline.addStage({ name: 'idle' } as never), ConfigError)
  assert.deepEqual(names(pipeline.moveStage('training', { before: 'training' })), ['training'])
})

test('orchestrator › runs stages in order on one context, and gives back what they left', async () => {
  const seen: string[] = []
  const pipeline = new PipelineOrchestrator()
    .addStage(stage('one', seen, (context) => context.files.push('a.png')))
    .addStage(stage('two', seen, (context) => assert.deepEqual(context.files, ['a.png'])))
  const { run, outcome, files } = await pipeline.run(config('order'))
  assert.deepEqual([seen, outcome, files], [['one', 'two'], 'finished', ['a.png']])
  const saved = JSON.parse(readFileSync(join(run.snapshots, 'config.json'), 'utf8')) as { run: { name: string } }
  assert.equal(saved.run.name, 'order')
})

test('orchestrator › an abort ends it after the stage, without an error', async () => {
  const seen: string[] = []
  const abort = new AbortController()
  const pipeline = new PipelineOrchestrator()
    .addStage(stage('one', seen, () => abort.abort()))
    .addStage(stage('two', seen))
  assert.equal((await pipeline.run(config('abort'), { signal: abort.signal })).outcome, 'interrupted')
  assert.deepEqual(seen, ['one'])
})

test('orchestrator › an error of a stage passes through, and the run is unlocked', async () => {
  const pipeline = new PipelineOrchestrator().addStage(
    stage('one', [], ({ run }) => {
      mkdirSync(join(run.snapshots, 'train'))
      throw new SnapshotError('broken')
    }),
  )
  await assert.rejects(pipeline.run(config('error')), /broken/)
  lockRun(join(root, 'snapshots', 'error')).release()
})

test('orchestrator › a run that failed before any phase worked leaves no folder and its name free', async () => {
  let fails = true
  const pipeline = new PipelineOrchestrator().addStage(
    stage('one', [], () => {
      if (fails) throw new SnapshotError('broken')
    }),
  )
  await assert.rejects(pipeline.run(config('early')), /broken/)
  for (const kind of ['snapshots', 'logs']) assert.equal(existsSync(join(root, kind, 'early')), false)
  fails = false
  assert.equal((await pipeline.run(config('early'))).run.name, 'early')
  fails = true
  const { run } = await new PipelineOrchestrator().addStage(stage('one', [])).run(config('kept'))
  await assert.rejects(pipeline.run(config('kept'), { run: { run, parentRun: null, isNew: false } }), /broken/)
  assert.ok(existsSync(run.snapshots), 'an earlier run is not taken away')
})

test('orchestrator › a run that another one works on is refused', async () => {
  const again = new PipelineOrchestrator().addStage({
    name: 'inner',
    run: async (context) => {
      const inner = new PipelineOrchestrator().addStage(stage('never', []))
      await assert.rejects(
        inner.run(config('locked'), { run: { run: context.run, parentRun: null, isNew: false } }),
        /only process that works on this run/,
      )
    },
  })
  assert.equal((await again.run(config('locked'))).outcome, 'finished')
})

test('orchestrator › training without data or model says which stage to add', async () => {
  const alone = new PipelineOrchestrator().addStage(new TrainingStage({ phases: ['train'] }))
  await assert.rejects(alone.run(config('no-data')), /training: expected data.*Add DataLoaderStage before training/)
  const withData = new PipelineOrchestrator()
    .addStage(new DataLoaderStage())
    .addStage(new TrainingStage({ phases: ['train'] }))
  await assert.rejects(withData.run(config('no-model')), /expected a model.*Add ModelLoaderStage/)
})

test('orchestrator › a configuration that does not fit names the key, before any folder is made', async () => {
  const pipeline = new PipelineOrchestrator().addStage(stage('one', []))
  await assert.rejects(
    pipeline.run({ ...config('bad'), supcon: { temperature: -1 } }),
    (error: unknown) => error instanceof ConfigError && /supcon\.temperature/.test(error.message),
  )
  assert.ok(!existsSync(join(root, 'snapshots', 'bad')))
})

test('orchestrator › a patience without early stopping is told; one that is off on purpose is not', async () => {
  const told: string[] = []
  const logger = { ...silentLogger, warn: (text: string) => void told.push(text) }
  const pipeline = new PipelineOrchestrator().addStage({ ...stage('one', []), phases: () => ['train'] })
  await pipeline.run({ ...config('waits'), train: { earlyStoppingPatience: 3 } }, { logger })
  assert.deepEqual(told.splice(0), ['train.earlyStoppingPatience has no effect without earlyStopping: true'])
  for (const earlyStopping of [true, false])
    await pipeline.run(
      { ...config(`says-${earlyStopping}`), train: { earlyStopping, earlyStoppingPatience: 3 } },
      { logger },
    )
  assert.deepEqual(told, [])
})

test('orchestrator › a device that this machine lacks is refused by name', async (context) => {
  const { torch } = await import('../../../src/binding/index.ts')
  if (torch.cudaIsAvailable()) return context.skip('this machine has a CUDA device')
  const pipeline = new PipelineOrchestrator().addStage(stage('one', []))
  await assert.rejects(pipeline.run({ ...config('device'), device: 'cuda' }), /got "cuda", and it finds no CUDA device/)
})

test('pipeline › holds the stages that its phases need, in order', () => {
  const predict = { images: null }
  assert.deepEqual(names(pipelineFor(['evaluate', 'train'], { predict })), [
    'data',
    'augmentation',
    'model',
    'training',
    'visualization',
    'evaluation',
  ])
  assert.deepEqual(names(pipelineFor(['export'], { predict: { images: 'photos' } })), [
    'data',
    'augmentation',
    'model',
    'model-storage',
    'prediction',
  ])
})
