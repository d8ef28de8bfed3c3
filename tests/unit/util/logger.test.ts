import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { createLogger, silentLogger } from '../../../src/util/logger.ts'

describe('logger', () => {
  let folder = ''
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'trivium-logger-'))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  const records = async (path: string): Promise<Record<string, unknown>[]> =>
    (await readFile(path, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)

  it('has every line in the file as soon as the call returns', async () => {
    const path = join(folder, 'deep', 'full_pipeline.log')
    const logger = createLogger({ files: [path], write: () => undefined })
    logger.info('epoch done', { epoch: 3, trainLoss: 2.184 })
    const [line] = await records(path)
    assert.equal(line?.['msg'], 'epoch done')
    assert.equal(line?.['epoch'], 3)
    assert.equal(line?.['trainLoss'], 2.184)
  })

  it('gives a file that is added late the earlier lines too', async () => {
    const logger = createLogger({ write: () => undefined })
    logger.info('first')
    const path = join(folder, 'late.log')
    logger.addFile(path)
    logger.info('second')
    assert.deepEqual(
      (await records(path)).map((line) => line['msg']),
      ['first', 'second'],
    )
  })

  it('keeps debug lines off the console and in the file', async () => {
    const lines: string[] = []
    const path = join(folder, 'debug.log')
    const logger = createLogger({ files: [path], write: (text) => lines.push(text) })
    logger.debug('detail')
    logger.warn('3 files skipped', { folder: 'data' })
    assert.equal(lines.length, 1)
    assert.match(lines[0] ?? '', /^\d\d:\d\d:\d\d warning: 3 files skipped {2}folder=data\n$/)
    assert.equal((await records(path)).length, 2)
  })

  it('adds the bindings of a child to its lines', async () => {
    const lines: string[] = []
    createLogger({ write: (text) => lines.push(text) })
      .child({ phase: 'supcon' })
      .info('starts')
    assert.match(lines[0] ?? '', / supcon: starts\n$/)
  })

  it('leaves the data of an ordinary line to the files', () => {
    const lines: string[] = []
    createLogger({ write: (text) => lines.push(text) })
      .child({ phase: 'supcon' })
      .info('supcon epoch 1: loss 2', { loss: 2 })
    assert.match(lines[0] ?? '', /^\S+ supcon epoch 1: loss 2\n$/)
  })

  it('never writes a secret', async () => {
    const lines: string[] = []
    const path = join(folder, 'secret.log')
    const logger = createLogger({ files: [path], write: (text) => lines.push(text) })
    logger.info('tracker', {
      apiKey: 'hunter2',
      nested: { token: 'hunter2' },
      wandb: { user: { password: 'hunter2' } },
    })
    assert.ok(!lines.join('').includes('hunter2'))
    assert.ok(!(await readFile(path, 'utf8')).includes('hunter2'))
  })

  it('does not let a class name move the cursor', () => {
    const lines: string[] = []
    createLogger({ write: (text) => lines.push(text) }).info('class \u001b[2Jotter')
    assert.ok(!lines.join('').includes('\u001b'))
  })

  it('is silent when asked', () => {
    const lines: string[] = []
    createLogger({ consoleLevel: 'silent', write: (text) => lines.push(text) }).error('x')
    silentLogger.child({ a: 1 }).error('x')
    assert.deepEqual(lines, [])
  })
})
