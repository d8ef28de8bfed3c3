/** What is easily asked for by mistake: it is refused or said, and nothing false is written. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import {
  pipelineConfigSchema,
  runPipeline,
  type PhaseName,
  type PipelineConfigInput,
  type PipelineResult,
} from '../../src/phases/index.ts'
import type { Callback } from '../../src/train/index.ts'
import { ConfigError, SnapshotError } from '../../src/util/errors.ts'
import { silentLogger } from '../../src/util/logger.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-misuse-'))
after(() => rmSync(root, { recursive: true, force: true }))

interface Asked {
  readonly options?: object
  readonly more?: PipelineConfigInput
  readonly callbacks?: readonly Callback[]
  readonly resume?: boolean
  readonly signal?: AbortSignal
  readonly phases?: readonly PhaseName[]
}

/** Plain training of a thin network on digits of 8 px; its result and its warnings. */
async function run(name: string, asked: Asked = {}): Promise<{ result: PipelineResult; warnings: string[] }> {
  const { options = {}, more = {}, callbacks = [], resume = false, signal, phases = ['train'] } = asked
  const warnings: string[] = []
  const logger = { ...silentLogger, warn: (text: string) => void warnings.push(text), child: () => logger }
  const config = pipelineConfigSchema.parse({
    run: { name, directory: root },
    device: 'cpu',
    threads: 1,
    data: { dataset: 'digits', imageSize: 8, subsetPerClass: 20 },
    backbone: { name: 'small_cnn', width: 4 },
    train: { epochs: 2, batchSize: 50, ...options },
    ...more,
  })
  const result = await runPipeline(config, {
    ...{ phases, callbacks, resume, logger },
    ...(signal === undefined ? {} : { signal }),
  })
  return { result, warnings }
}

test('misuse › a run that goes on with fewer epochs than it has behind it trains none, and invents no record', async () => {
  const abort = new AbortController()
  const stop: Callback = { name: 'stop', onEpochClosed: ({ epoch }) => (epoch === 3 ? abort.abort() : undefined) }
  const first = await run('fewer', { options: { epochs: 6 }, callbacks: [stop], signal: abort.signal })
  assert.equal(first.result.outcome, 'interrupted')
  const history = (): string => readFileSync(join(root, 'logs', 'fewer', 'metrics.jsonl'), 'utf8')
  const before = history()
  const { result, warnings } = await run('fewer', { options: { epochs: 2 }, resume: true })
  assert.equal(result.outcome, 'finished')
  assert.equal(history(), before)
  assert.ok(
    warnings.some((line) => /^train: nothing is left to train: \d+ of \d+ steps are done$/.test(line)),
    warnings.join('\n'),
  )
  // What was not trained yet is not lost for who asks for it again.
  const { result: whole } = await run('fewer', { options: { epochs: 6 }, resume: true })
  assert.equal(whole.outcome, 'finished')
  assert.match(history().trim().split('\n').at(-1) ?? '', /"epoch":6,/)
})

test('misuse › a run whose folder is deleted while it trains ends with what has happened', async () => {
  const remove: Callback = {
    name: 'remove',
    onEpochEnd: () => rmSync(join(root, 'snapshots', 'deleted'), { recursive: true }),
  }
  await assert.rejects(run('deleted', { callbacks: [remove] }), (error: unknown) => {
    assert.ok(error instanceof SnapshotError, String(error))
    assert.match(error.message, /train has vanished, and with it its snapshots/)
    return true
  })
})

test('misuse › early stopping without a validation part is refused', async () => {
  await assert.rejects(
    run('blind', { options: { earlyStopping: true }, more: { data: { imageSize: 8, validationFraction: 0 } } }),
    (error: unknown) => {
      assert.ok(error instanceof ConfigError)
      assert.match(error.message, /^train\.early_stopping: expected a validation part/)
      return true
    },
  )
  const parsed = pipelineConfigSchema.safeParse({ train: { earlyStopping: true, useValidation: false } })
  assert.deepEqual(parsed.error?.issues[0]?.path, ['train', 'earlyStopping'])
})

test('misuse › a warm-up that is as long as the phase is said, a shorter one is not', async () => {
  const warned = ({ warnings }: { warnings: string[] }): boolean =>
    warnings.some((line) => /^train: the warm-up takes 8 steps, the phase 8: /.test(line))
  assert.ok(warned(await run('warm', { options: { warmupEpochs: 2 } })))
  const { warnings } = await run('warm', { options: { warmupEpochs: 1 } })
  assert.deepEqual(warnings, [])
})

test('misuse › pieces that are no smaller than the batch change nothing, and nothing is said of batch norms', async () => {
  for (const [microBatch, count] of [
    [50, 0],
    [200, 0],
    [25, 1],
  ] as const) {
    const { warnings } = await run('pieces', { options: { epochs: 1, microBatch } })
    assert.equal(warnings.filter((line) => line.includes('batch norms')).length, count, `${microBatch}`)
  }
})

test('misuse › two callbacks that keep a state under one name, and phases that are none, are refused', async () => {
  const counter = (name: string): Callback => ({ name, state: () => 1 })
  await assert.rejects(run('names', { callbacks: [counter('x'), counter('x')] }), /got "x" twice/)
  const own = { options: { lra: {} }, callbacks: [counter('lra')] }
  await assert.rejects(run('names', own), /got "lra" twice/)
  assert.equal(
    (await run('names', { callbacks: [counter('x'), { name: 'x', onStart() {} }] })).result.outcome,
    'finished',
  )
  await assert.rejects(run('phases', { phases: ['trian' as PhaseName] }), (error: unknown) => {
    assert.ok(error instanceof ConfigError)
    assert.match(error.message, /got "trian".* Did you mean "train"\?/)
    return true
  })
})
