import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import {
  pipelineConfigSchema,
  runPipeline,
  startPipeline,
  type Callback,
  type PipelineConfig,
  type PipelineEvent,
} from '../../../src/phases/index.ts'
import { ConfigError } from '../../../src/util/errors.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-events-'))
after(() => rmSync(root, { recursive: true, force: true }))

function config(name: string, train: object = {}): PipelineConfig {
  return pipelineConfigSchema.parse({
    run: { name, directory: root },
    device: 'cpu',
    backbone: { name: 'small_cnn', width: 4 },
    train: { enabled: true, epochs: 2, batchSize: 256, ...train },
  })
}

const phases = ['train'] as const

test('startPipeline › tells of run, phase, steps, epochs and results in order, to each listener', async () => {
  await using run = startPipeline(config('told'), { phases })
  const collect = async (): Promise<PipelineEvent[]> => {
    const all: PipelineEvent[] = []
    for await (const event of run.events()) all.push(event)
    return all
  }
  const [first, second] = await Promise.all([collect(), collect()])
  assert.deepEqual(first, second)
  const types = first.map(({ type }) => type)
  const epoch = [...Array.from({ length: 5 }, () => 'step'), 'epoch']
  assert.deepEqual(types, ['run', 'phase', ...epoch, ...epoch, 'result'])
  const record = first.findLast((event) => event.type === 'epoch')
  assert.equal(record?.type === 'epoch' && record.record.epoch, 2)
  assert.equal((await run.result).outcome, 'finished')
  assert.deepEqual(await collect(), [])
})

test('startPipeline › abort stops it well; leaving the loop alone does not', async () => {
  await using run = startPipeline(config('aborted', { epochs: 50 }), { phases })
  for await (const { type } of run.events()) if (type === 'step') break
  for await (const { type } of run.events()) if (type === 'epoch') run.abort()
  assert.equal((await run.result).outcome, 'interrupted')
})

test('startPipeline › a failure reaches listeners and the result, and nobody has to look', async () => {
  const wrong = { ...config('failing'), device: 'cuda:77' }
  await using run = startPipeline(wrong, { phases })
  await assert.rejects(async () => {
    for await (const event of run.events()) assert.notEqual(event.type, 'step')
  }, ConfigError)
  await assert.rejects(run.result, ConfigError)
  startPipeline(wrong, { phases })
})

test('callbacks › those of the configuration and the user’s own reach the loop', async () => {
  const asked: string[] = []
  const scales: number[] = []
  const own: Callback = {
    name: 'own',
    onEpochEnd: (_record, control) => void scales.push(control.learningRateScale),
  }
  const train = { epochs: 6, askEpoch: 3, lra: { threshold: 0, patience: 1, factor: 0.1 }, lr: 1e-12 }
  const { phases: results } = await runPipeline(config('asked', train), {
    phases,
    callbacks: [own],
    ask: (question) => {
      asked.push(question)
      return Promise.resolve('h')
    },
  })
  assert.equal(asked.length, 1)
  assert.equal(results[0]?.metrics['epochs'], 3)
  assert.equal(scales.length, 3)
  const long = await runPipeline(config('alone', { epochs: 2, askEpoch: 0 }), { phases })
  assert.equal(long.phases[0]?.metrics['epochs'], 2, 'without someone to ask, nothing waits')
})
