import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { SnapshotError } from '../../../src/util/errors.ts'
import { ensureDir, sha256OfFile, systemCode, writeError, writeFileAtomic } from '../../../src/util/files.ts'

describe('files', () => {
  let folder = ''
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'trivium-files-'))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  it('writes a new file, makes its folder and leaves no temporary file', async () => {
    const path = join(folder, 'a', 'b', 'metrics.json')
    await writeFileAtomic(path, '{"top1":0.98}')
    assert.equal(await readFile(path, 'utf8'), '{"top1":0.98}')
    assert.deepEqual(await readdir(join(folder, 'a', 'b')), ['metrics.json'])
  })

  it('advises of a run only where it says so: other commands have no --resume', () => {
    for (const code of ['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EPERM', 'EIO']) {
      const { message } = writeError(Object.assign(new Error('x'), { code }), 'page.html')
      assert.match(message, /^cannot write page\.html: .*\((a run:|a training with) /)
    }
  })

  it('replaces a file as a whole', async () => {
    const path = join(folder, 'replaced')
    await writeFileAtomic(path, 'a long old content')
    await writeFileAtomic(path, new Uint8Array([104, 105]))
    assert.equal(await readFile(path, 'utf8'), 'hi')
  })

  it('keeps the old file and removes the temporary one when the rename fails', async () => {
    const path = join(folder, 'occupied')
    await ensureDir(join(path, 'child'))
    await assert.rejects(writeFileAtomic(path, 'x'), /occupied/)
    assert.deepEqual(
      (await readdir(folder)).filter((name) => name.endsWith('.tmp')),
      [],
    )
    assert.deepEqual(await readdir(path), ['child'])
  })

  it('names the path when a part of it is a file', async () => {
    const file = join(folder, 'plain')
    await writeFile(file, '')
    await assert.rejects(ensureDir(join(file, 'sub')), (error: unknown) => {
      assert.ok(error instanceof SnapshotError)
      assert.match(error.message, /plain.*not a folder/)
      return true
    })
  })

  it(
    'ends where a folder takes no other one',
    { skip: existsSync('/proc') ? false : 'there is no /proc' },
    async () => {
      await assert.rejects(
        ensureDir('/proc/trivium/logs'),
        /cannot write \/proc\/trivium\/logs: it, or a folder on the way/,
      )
      await assert.rejects(writeFileAtomic('/proc/trivium/a.json', '{}'), /cannot write \/proc\/trivium\/a\.json/)
    },
  )

  it('makes a folder that others make at the same moment, and takes one that is there', async () => {
    const path = join(folder, 'p', 'q', 'r')
    await Promise.all([ensureDir(path), ensureDir(path), ensureDir(join(path, 's'))])
    assert.deepEqual(await readdir(path), ['s'])
  })

  it('says what to do when the disk is full', () => {
    const full = Object.assign(new Error('write'), { code: 'ENOSPC' })
    const error = writeError(full, 'snapshots/a/state.json')
    assert.ok(error instanceof SnapshotError)
    assert.match(error.message, /snapshots\/a\/state\.json: no space left/)
    assert.equal(systemCode(error), 'ENOSPC')
    assert.equal(systemCode(new Error('other')), null)
  })

  it('hashes what is in the file', async () => {
    const path = join(folder, 'hashed')
    const content = Buffer.alloc(300_000, 'trivium')
    await writeFile(path, content)
    assert.equal(await sha256OfFile(path), createHash('sha256').update(content).digest('hex'))
  })
})
