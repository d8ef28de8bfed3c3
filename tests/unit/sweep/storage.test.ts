import assert from 'node:assert/strict'
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { JournalStorage, MemoryStorage, openStorage, type Storage } from '../../../src/sweep/index.ts'
import { definition, storageSuite } from '../../../src/conformance/storage-suite.ts'

const folder = mkdtempSync(join(tmpdir(), 'trivium-journal-'))
after(() => rmSync(folder, { recursive: true, force: true }))

storageSuite('memory', { create: () => new MemoryStorage(), shared: false })
storageSuite('journal', {
  create: (place) => new JournalStorage(join(folder, place, 'journal.jsonl')),
  shared: true,
  kill: (storage: Storage) => storage.close(),
})

describe('openStorage', () => {
  it('knows its kinds by the target, and refuses other databases without showing their password', () => {
    assert.equal(openStorage('memory').kind, 'memory')
    assert.equal(openStorage('postgresql://a@b/c').kind, 'postgres')
    assert.equal(openStorage('postgres://a@b/c').kind, 'postgres')
    assert.equal(openStorage('some/journal.jsonl').kind, 'journal')
    for (const target of ['mysql://me:secret@host/db', 'file:///tmp/x', 'sqlite:///x.db'])
      assert.throws(
        () => openStorage(target),
        (error: Error) =>
          /journal file or a postgresql:\/\/ URL/.test(error.message) && !error.message.includes('secret'),
      )
  })
})

describe('journal', () => {
  let files = 0
  const suggest = (_: unknown, number: number): { lr: number; kind: number } => ({ lr: 0.1 / (number + 1), kind: 3 })
  /** A journal of three trials: complete, pruned, running. */
  const written = async (): Promise<string> => {
    const path = join(folder, `journal-${files++}.jsonl`)
    const storage = new JournalStorage(path)
    await storage.open(definition())
    for (let number = 0; number < 3; number++) await storage.start('worker', { limit: 9, suggest })
    await storage.finish({ number: 0, owner: 'worker', attempt: 1 }, { state: 'complete', values: [0.5] })
    await storage.finish({ number: 1, owner: 'worker', attempt: 1 }, { state: 'pruned' })
    await storage.close()
    return path
  }
  const reopened = async (path: string, onTornTail?: (bytes: number) => void): Promise<JournalStorage> => {
    const storage = new JournalStorage(path, onTornTail === undefined ? {} : { onTornTail })
    await storage.open(definition())
    return storage
  }

  it('is JSON lines, each with the CRC-32 of its entry', async () => {
    const lines = readFileSync(await written(), 'utf8')
      .trimEnd()
      .split('\n')
    assert.equal(lines.length, 6)
    const first = JSON.parse(lines[0]!) as { crc: string; entry: { op: string; version: number } }
    assert.equal(first.entry.op, 'study')
    assert.equal(first.entry.version, 1)
    assert.match(first.crc, /^[0-9a-f]{8}$/)
  })

  it('is read the same after a cut at every byte: whole lines count, the torn one is cut off', async () => {
    const path = await written()
    const whole = readFileSync(path)
    const header = whole.indexOf(10) + 1
    for (let size = header; size < whole.length; size += 7) {
      writeFileSync(path, whole.subarray(0, size))
      let torn = 0
      const storage = await reopened(path, (bytes) => (torn = bytes))
      const lines = whole.subarray(0, size).filter((byte) => byte === 10).length
      const rest = size - (whole.subarray(0, size).lastIndexOf(10) + 1)
      assert.equal(torn, rest)
      assert.equal((await storage.trials()).length, Math.min(3, lines - 1))
      await storage.enqueue({ lr: 0.5, kind: 3 })
      await storage.close()
      const again = await reopened(path)
      assert.equal((await again.trials()).at(-1)!.params['lr'], 0.5)
      await again.close()
    }
  })

  it('begins anew when not even the first line was finished', async () => {
    const path = await written()
    truncateSync(path, 20)
    const storage = await reopened(path)
    assert.deepEqual(await storage.trials(), [])
    await storage.close()
  })

  it('reports a line that was changed, with its number, and does not touch the file', async () => {
    const path = await written()
    const text = readFileSync(path, 'utf8')
    const damaged = text.replace('"values":[0.5]', '"values":[0.4]')
    assert.notEqual(damaged, text)
    for (const content of [
      damaged,
      text.replace('\n', '\nhello\n'),
      text.replace('\n', '\n\n'),
      text + text.split('\n')[3]! + '\n',
    ]) {
      writeFileSync(path, content)
      await assert.rejects(reopened(path), /journal-\d+\.jsonl:\d+: .*(checksum|contradicts)/)
      assert.equal(readFileSync(path, 'utf8'), content)
    }
  })

  it('refuses another version and files that are no journal', async () => {
    const path = await written()
    const { crc32 } = await import('node:zlib')
    const entry = JSON.stringify({ op: 'study', version: 2, time: '', definition: definition() })
    writeFileSync(path, `{"crc":"${crc32(entry).toString(16).padStart(8, '0')}","entry":${entry}}\n`)
    await assert.rejects(reopened(path), /expected storage version 1, got 2/)
    writeFileSync(path, 'epoch,loss\n1,0.5\n')
    await assert.rejects(reopened(path), /:1: .*checksum/)
  })

  it('says so when the file became shorter under its hands', async () => {
    const path = await written()
    const storage = await reopened(path)
    truncateSync(path, 100)
    await assert.rejects(storage.enqueue({ lr: 0.5, kind: 3 }), /became shorter/)
    await storage.close()
  })

  it('does not write a line that was only half accepted: the tail of another process is cut before the next line', async () => {
    const path = await written()
    const storage = await reopened(path)
    appendFileSync(path, '{"crc":"0000')
    await storage.enqueue({ lr: 0.5, kind: 3 })
    assert.equal(readFileSync(path, 'utf8').includes('"0000'), false)
    assert.equal((await storage.trials()).length, 4)
    await storage.close()
  })

  it('tells of a line that another process left unfinished while it works', async () => {
    const path = await written()
    const torn: number[] = []
    const storage = await reopened(path, (bytes) => torn.push(bytes))
    appendFileSync(path, '{"crc":"0000')
    await storage.enqueue({ lr: 0.5, kind: 3 })
    assert.deepEqual(torn, [12])
    await storage.close()
  })

  it('makes no file when it is only asked', async () => {
    const path = join(folder, 'asked', 'journal.jsonl')
    const storage = new JournalStorage(path)
    assert.equal(await storage.find('x'), null)
    assert.deepEqual(await storage.trials(), [])
    await storage.close()
    assert.equal(existsSync(join(folder, 'asked')), false)
  })

  it('is no study while it is empty, and refuses a folder', async () => {
    const path = join(folder, 'empty.jsonl')
    writeFileSync(path, '')
    assert.equal(await new JournalStorage(path).find('x'), null)
    await assert.rejects(new JournalStorage(folder).find('x'), /it is a folder\. Name a file in it/)
  })

  it('leaves no file of a worker that ended well', async () => {
    const path = await written()
    assert.equal(existsSync(join(`${path}.workers`, 'worker')), false)
    assert.ok(statSync(path).size > 0)
  })
})
