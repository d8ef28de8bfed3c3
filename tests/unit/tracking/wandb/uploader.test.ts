import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, test } from 'node:test'
import { WandbClient, type RunRequest } from '../../../../src/tracking/wandb/client.ts'
import type { JsonItems } from '../../../../src/tracking/wandb/records.ts'
import { WandbUploader, type UploaderOptions } from '../../../../src/tracking/wandb/uploader.ts'
import { silentLogger } from '../../../../src/util/logger.ts'
import { wandbServer, type RecordedRun, type WandbServer } from '../../../support/wandb-server.ts'

const apiKey = 'k'.repeat(40)
const request: RunRequest = {
  ...{ id: 'abcd1234', entity: null, project: 'photos', displayName: 'first', host: 'here' },
  config: { arcface: '{"lr":0.001}' },
  stepMetrics: {},
}

interface Upload {
  readonly uploader: WandbUploader
  readonly lines: string[]
}

function upload(url: string, options: Partial<UploaderOptions> = {}): Upload {
  const lines: string[] = []
  const note = (text: string): void => void lines.push(text)
  const logger = { ...silentLogger, info: note, warn: note }
  const client = new WandbClient({ baseUrl: url, apiKey }, 'trivium/0.1.0')
  const pace = { intervalMs: 5, retryMs: 5, patienceMs: 60_000 }
  const uploader = new WandbUploader({
    ...{ client, run: request, logger, path: 'wandb/run.wandb', restored: [], isAppended: false },
    ...pace,
    ...options,
  })
  return { uploader, lines }
}

const row = (step: number): JsonItems => ({ 'train/step': String(step), 'train/loss': step === 3 ? 'NaN' : '0.5' })

function only({ runs }: WandbServer): RecordedRun {
  assert.deepEqual([...runs.keys()], ['abcd1234'])
  const [run] = runs.values()
  assert.ok(run !== undefined)
  return run
}

/** Until the server was told; a test that waits in vain runs into its limit. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await sleep(2)
}

const limit = { timeout: 60_000 }

describe('wandb upload', () => {
  test('makes the run, sends its rows as they come, the last summary, and how it ended', limit, async () => {
    await using server = await wandbServer()
    const { uploader, lines } = upload(server.url)
    uploader.row(row(1))
    await until(() => server.runs.get('abcd1234')?.history.length === 1)
    assert.equal(only(server).complete, false)
    for (const step of [2, 3]) uploader.row(row(step))
    uploader.summarize({ 'evaluate/top1': '0.5' })
    uploader.summarize({ 'evaluate/top1': '0.75' })
    assert.deepEqual(await uploader.finish(75), { isComplete: true, unsent: 0 })
    const run = only(server)
    assert.deepEqual(run, {
      ...{ entity: 'me', project: 'photos', displayName: 'first', complete: true, exitCode: 75 },
      config: { arcface: { value: { lr: 0.001 } }, _wandb: { value: { m: [], t: {} } } },
      history: [
        { 'train/step': 1, 'train/loss': 0.5, _step: 0 },
        { 'train/step': 2, 'train/loss': 0.5, _step: 1 },
        { 'train/step': 3, 'train/loss': 'NaN', _step: 2 },
      ],
      summary: { 'evaluate/top1': 0.75 },
    })
    assert.ok(server.requests.every(({ key }) => key === `api:${apiKey}`))
    const paths = new Set(server.requests.map(({ path }) => path))
    assert.deepEqual([...paths], ['/graphql', '/files/me/photos/abcd1234/file_stream'])
    assert.deepEqual(lines, [`Weights & Biases: ${server.url}/me/photos/runs/abcd1234`])
  })

  test('charts of each phase get an axis of their own', limit, async () => {
    await using server = await wandbServer()
    const { uploader } = upload(server.url)
    await until(() => server.runs.size === 1)
    uploader.setStepMetrics({ 'supcon/*': 'supcon/step', 'arcface/*': 'arcface/step' })
    await uploader.finish(0)
    assert.deepEqual(only(server).config['_wandb'], {
      value: {
        t: {},
        m: [
          { 2: 'supcon/*', 5: 2, 6: [1], 7: [] },
          { 1: 'supcon/step', 6: [], 7: [] },
          { 2: 'arcface/*', 5: 4, 6: [1], 7: [] },
          { 1: 'arcface/step', 6: [], 7: [] },
        ],
      },
    })
  })

  test(
    'a server that fails or is silent for a while is asked again; one warning, and every row arrives once',
    limit,
    async () => {
      await using server = await wandbServer()
      server.refusals.push(503, 500, 429)
      const { uploader, lines } = upload(server.url)
      for (const step of [1, 2]) uploader.row(row(step))
      await until(() => server.runs.get('abcd1234')?.history.length === 2)
      assert.deepEqual(await uploader.finish(0), { isComplete: true, unsent: 0 })
      assert.equal(only(server).history.length, 2)
      assert.equal(
        lines.filter((line) => /cannot be reached \(503 .*The training goes on, wandb\/run\.wandb/.test(line)).length,
        1,
      )
      assert.equal(lines.filter((line) => line.endsWith('answers again')).length, 1)
      assert.equal(lines.length, 3)
    },
  )

  for (const status of [400, 401, 403, 404, 409, 410]) {
    test(`${status} is final: one warning, no other request, and the rows are counted`, limit, async () => {
      await using server = await wandbServer()
      server.refusals.push(status)
      const { uploader, lines } = upload(server.url)
      uploader.row(row(1))
      await until(() => lines.length > 0)
      uploader.row(row(2))
      assert.deepEqual(await uploader.finish(0), { isComplete: false, unsent: 2 })
      assert.equal(server.requests.length, 1)
      assert.equal(lines.length, 1)
      assert.match(lines[0] ?? '', new RegExp(`refused \\(${status} .*refused with ${status}.*Check WANDB_API_KEY`))
    })
  }

  test('an answer with errors, or that names no run, is final too', limit, async () => {
    await using server = await wandbServer()
    server.refusals.push(200)
    const { uploader, lines } = upload(server.url)
    await until(() => lines.length > 0)
    await uploader.finish(0)
    assert.match(lines.join(), /refused \(refused with 200\)/)
  })

  test('a server that is away, or hangs, holds up the end of a run for its patience and no longer', limit, async () => {
    const closed = await wandbServer()
    await closed[Symbol.asyncDispose]()
    const away = upload(closed.url, { patienceMs: 60 })
    away.uploader.row(row(1))
    assert.deepEqual(await away.uploader.finish(0), { isComplete: false, unsent: 1 })
    assert.match(away.lines.join(), /cannot be reached \(connect ECONNREFUSED/)
    await using server = await wandbServer()
    server.refusals.push('hang')
    // For an answer a sixth of it: the other timer, of the same clock, is later than that.
    const hanging = upload(server.url, { patienceMs: 3000 })
    hanging.uploader.row(row(1))
    await until(() => server.requests.length === 1)
    const outcome = await Promise.race([hanging.uploader.finish(0), sleep(2400, 'the whole patience', { ref: false })])
    assert.deepEqual(outcome, { isComplete: false, unsent: 1 })
  })

  test(
    'a run that goes on sends what the server lacks, and rows that are trained again take their places',
    limit,
    async () => {
      await using server = await wandbServer()
      const first = upload(server.url)
      for (const step of [1, 2, 3]) first.uploader.row(row(step))
      await first.uploader.finish(75)
      const restored = [1, 2, 3, 4].map(row) // the fourth was recorded and not sent
      const second = upload(server.url, { restored })
      await until(() => server.runs.get('abcd1234')?.history.length === 4)
      second.uploader.cut(2)
      second.uploader.row({ 'train/step': '3', 'train/loss': '0.25' })
      second.uploader.row({ 'train/step': '4', 'train/loss': '0.125' })
      second.uploader.row({ 'train/step': '5', 'train/loss': '0.0625' })
      await second.uploader.finish(0)
      const { history, exitCode } = only(server)
      assert.deepEqual([history.map((each) => each?.['train/loss']), exitCode], [[0.5, 0.5, 0.25, 0.125, 0.0625], 0])
      assert.deepEqual(
        history.map((each) => each?.['_step']),
        [0, 1, 2, 3, 4],
      )
      const lines = server.requests.flatMap(({ body }) => [...body.matchAll(/train\/step/g)])
      assert.equal(lines.length, 3 + 1 + 3)
    },
  )

  test('rows that take the place of others while these are on their way are sent as well', limit, async () => {
    await using server = await wandbServer()
    const { uploader } = upload(server.url)
    for (const step of [1, 2, 3]) uploader.row(row(step))
    await until(() => server.requests.some(({ path }) => path.endsWith('file_stream')))
    // The answer is on its way to us at best.
    uploader.cut(1)
    for (const step of [12, 13, 14]) uploader.row(row(step))
    await uploader.finish(0)
    assert.deepEqual(
      only(server).history.map((each) => each?.['train/step']),
      [1, 12, 13, 14],
    )
  })

  test('rows that were not sent yet are taken back here', limit, async () => {
    await using server = await wandbServer()
    const { uploader } = upload(server.url, { restored: [1, 2, 3].map(row), intervalMs: 60_000 })
    uploader.cut(1)
    uploader.row(row(7))
    await uploader.finish(0)
    assert.deepEqual(
      only(server).history.map((each) => each?.['train/step']),
      [1, 7],
    )
  })

  test('another part of a run stands behind what the server has', limit, async () => {
    await using server = await wandbServer()
    const first = upload(server.url)
    for (const step of [1, 2]) first.uploader.row(row(step))
    await first.uploader.finish(75)
    const part = upload(server.url, { isAppended: true })
    part.uploader.row(row(5))
    await part.uploader.finish(0)
    const places = only(server).history.map((each) => [each?.['_step'], each?.['train/step']])
    assert.deepEqual(places, [
      [0, 1],
      [1, 2],
      [2, 5],
    ])
  })

  test('many rows go in several requests, and a quiet run tells that it lives', limit, async () => {
    await using server = await wandbServer()
    const { uploader } = upload(server.url)
    await until(() => server.requests.some(({ body }) => body === '{}'))
    const text = JSON.stringify('x'.repeat(1 << 20))
    for (let step = 0; step < 9; step++) uploader.row({ 'train/note': text })
    assert.deepEqual(await uploader.finish(0), { isComplete: true, unsent: 0 })
    assert.equal(only(server).history.length, 9)
    assert.ok(server.requests.every(({ body }) => body.length < 5 << 20))
  })
})
