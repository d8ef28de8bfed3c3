/** Whole phases that break and go on: from the configuration down to the weights. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { pipelineConfigSchema, runPipeline, type PhaseName, type PipelineConfigInput } from '../../src/phases/index.ts'
import { ConfigError, NonFiniteError } from '../../src/util/errors.ts'
import { silentLogger } from '../../src/util/logger.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-survival-'))
after(() => rmSync(root, { recursive: true, force: true }))

interface Ran {
  readonly state: Record<string, unknown>
  readonly sums: Record<string, string>
  readonly lines: readonly string[]
}

/** Digits at 16 px with a thin network; state and sums of the phase's last snapshot. */
async function run(name: string, phase: PhaseName, options: object, more: PipelineConfigInput = {}): Promise<Ran> {
  const lines: string[] = []
  const note = (text: string): void => void lines.push(text)
  const logger = { ...silentLogger, warn: note, info: note, child: () => logger }
  const config = pipelineConfigSchema.parse({
    run: { name, directory: root },
    device: 'cpu',
    threads: 1,
    data: { dataset: 'digits', imageSize: 16 },
    backbone: { name: 'small_cnn', width: 4 },
    [phase]: { epochs: 2, batchSize: 128, ...options },
    ...more,
  })
  await runPipeline(config, { phases: [phase], logger })
  const folder = join(root, 'snapshots', name, phase, 'last')
  const json = (file: string): unknown => JSON.parse(readFileSync(join(folder, file), 'utf8'))
  const { files } = json('manifest.json') as { files: Record<string, { sha256: string }> }
  const sums = Object.entries(files).flatMap(([file, { sha256 }]) => (file === 'state.json' ? [] : [[file, sha256]]))
  return { state: json('state.json') as Ran['state'], sums: Object.fromEntries(sums) as Ran['sums'], lines }
}

/** A rate that ends in infinity after some steps. */
const wild = { optimizer: 'sgd', lr: 1e30, schedule: 'constant', warmupEpochs: 0, emaDecay: 0 }

test('survival › a rate that explodes ends each training phase by name; rewinding lowers it so often and no more', async () => {
  await assert.rejects(run('abort', 'train', wild), (error: unknown) => {
    assert.ok(error instanceof NonFiniteError)
    assert.match(error.message, /^train (loss|gradient norm) became (NaN|infinite) at step \d+ \(epoch 1\)/)
    return true
  })
  const tries = run('tries', 'train', { ...wild, nonFinite: { policy: 'rewind', limit: 2, lrFactor: 0.5 } })
  await assert.rejects(tries, /Training went back 2 times before/)
  const { state, lines } = await run('tamed', 'train', { ...wild, nonFinite: { policy: 'rewind', lrFactor: 1e-32 } })
  assert.deepEqual([state['finished'], (state['rewinds'] as unknown[]).length], [true, 1])
  assert.ok(lines.some((line) => /Going back to .*epoch-0000 with 1e-32 times the learning rate/.test(line)))
})

test('survival › a seeded run is reproducible to the byte, and another seed gives other bytes', async () => {
  const first = await run('one', 'train', {})
  const second = await run('two', 'train', {})
  assert.deepEqual(second.sums, first.sums)
  const other = await run('three', 'train', {}, { seed: 9 })
  assert.notDeepEqual(other.sums, first.sums)
})

test('survival › a batch in pieces: refused where the loss is over the batch, with a word on batch norms elsewhere', async () => {
  for (const [phase, options, reason] of [
    ['supcon', {}, /supervised contrast compares each image with all others/],
    ['train', { classWeights: 'balanced' }, /class_weights makes it a mean that is weighted over the batch/],
    ['arcface', { useCurricularface: true }, /curricularface follows statistics of the batch/],
  ] as const)
    await assert.rejects(run(`refused-${phase}`, phase, { ...options, microBatch: 32 }), (error: unknown) => {
      assert.ok(error instanceof ConfigError)
      assert.match(error.message, reason)
      assert.deepEqual(error.option, [phase, 'microBatch'])
      return true
    })
  const { lines } = await run('pieces', 'train', { epochs: 1, microBatch: 32 })
  assert.ok(
    lines.some((line) => /batch norms see the 32 images of a piece/.test(line)),
    lines.join('\n'),
  )
})
