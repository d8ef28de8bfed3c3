import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { c as create } from 'tar'
import { unpack } from '../../../src/data/unpack.ts'
import { DatasetError } from '../../../src/util/errors.ts'

const limits = { entries: 10, bytes: 1e6 }
const accept = async (): Promise<void> => undefined

let folder: string
let archive: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trivium-unpack-'))
  archive = join(folder, 'set.tar.gz')
})
afterEach(() => rm(folder, { recursive: true }))

/** A tar entry written by hand, with any name and type. */
function entry(name: string, body: Buffer, type = '0', link = ''): Buffer {
  const header = Buffer.alloc(512)
  header.write(name, 0, 100, 'utf8')
  header.write('0000644\0', 100)
  header.write('0000000\0', 108)
  header.write('0000000\0', 116)
  header.write(`${body.length.toString(8).padStart(11, '0')}\0`, 124)
  header.write('00000000000\0', 136)
  header.write('        ', 148)
  header.write(type, 156)
  header.write(link, 157, 100, 'utf8')
  header.write('ustar\x0000', 257, 'latin1')
  header.write(`${header.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, '0')}\0 `, 148)
  return Buffer.concat([header, body, Buffer.alloc((512 - (body.length % 512)) % 512)])
}
const tar = (...entries: Buffer[]): Buffer => gzipSync(Buffer.concat([...entries, Buffer.alloc(1024)]))
const refuses =
  (pattern: RegExp) =>
  (error: unknown): boolean =>
    error instanceof DatasetError && pattern.test(error.message)

describe('unpack', () => {
  test('an ordinary archive lands whole under its name', async () => {
    await mkdir(join(folder, 'source', 'set', 'deep'), { recursive: true })
    await writeFile(join(folder, 'source', 'set', 'a.bin'), 'a')
    await writeFile(join(folder, 'source', 'set', 'deep', 'b.bin'), 'b')
    await create({ file: archive, cwd: join(folder, 'source'), gzip: true }, ['set'])
    let verified = ''
    await unpack(archive, folder, 'set', limits, async (unpacked) => {
      verified = await readFile(join(unpacked, 'a.bin'), 'utf8')
      assert.ok(!existsSync(join(folder, 'set')), 'not visible before it is verified')
    })
    assert.equal(verified, 'a')
    assert.equal(await readFile(join(folder, 'set', 'deep', 'b.bin'), 'utf8'), 'b')
  })

  test('files of a folder that exists already are replaced, others stay', async () => {
    await mkdir(join(folder, 'set'))
    await writeFile(join(folder, 'set', 'a.bin'), 'damaged')
    await writeFile(join(folder, 'set', 'notes.txt'), 'mine')
    await writeFile(archive, tar(entry('set/', Buffer.alloc(0), '5'), entry('set/a.bin', Buffer.from('good'))))
    await unpack(archive, folder, 'set', limits, accept)
    assert.equal(await readFile(join(folder, 'set', 'a.bin'), 'utf8'), 'good')
    assert.equal(await readFile(join(folder, 'set', 'notes.txt'), 'utf8'), 'mine')
  })

  const body = Buffer.from('x')
  const attacks: Record<string, Buffer> = {
    'a path upwards': tar(entry('../evil', body)),
    'an absolute path': tar(entry(join(tmpdir(), 'trivium-evil'), body)),
    'a symbolic link': tar(entry('set/link', Buffer.alloc(0), '2', '/etc/passwd')),
    'a file through a link': tar(entry('set/link', Buffer.alloc(0), '2', '..'), entry('set/link/evil', body)),
    'a hard link': tar(entry('set/hard', Buffer.alloc(0), '1', '/etc/passwd')),
    'a device': tar(entry('set/device', Buffer.alloc(0), '3')),
    'a pipe': tar(entry('set/pipe', Buffer.alloc(0), '6')),
    'too many entries': tar(...Array.from({ length: 11 }, (_, i) => entry(`set/${i}`, body))),
    'too many bytes': tar(entry('set/big', Buffer.alloc(1_000_001))),
    'another top folder': tar(entry('other/a.bin', body)),
    'no archive': Buffer.from('this is no archive, whatever its name says'),
    'a cut archive': tar(entry('set/a.bin', Buffer.alloc(5000, 7))).subarray(0, 40),
  }
  for (const [name, bytes] of Object.entries(attacks)) {
    test(`${name} is refused, and nothing is left`, async () => {
      await writeFile(archive, bytes)
      await assert.rejects(unpack(archive, folder, 'set', limits, accept), refuses(/set\.tar\.gz/))
      assert.deepEqual(await readdir(folder), ['set.tar.gz'])
      assert.ok(!existsSync(join(folder, '..', 'evil')) && !existsSync(join(tmpdir(), 'trivium-evil')))
    })
  }

  test('what verify refuses is removed', async () => {
    await writeFile(archive, tar(entry('set/a.bin', body)))
    const verify = (): Promise<void> => Promise.reject(new DatasetError('wrong sum'))
    await assert.rejects(unpack(archive, folder, 'set', limits, verify), refuses(/wrong sum/))
    assert.deepEqual(await readdir(folder), ['set.tar.gz'])
  })

  test('a link in the target folder is not followed out of it', async () => {
    const outside = await mkdtemp(join(tmpdir(), 'trivium-outside-'))
    await symlink(outside, join(folder, 'link'))
    await writeFile(archive, tar(entry('link/a.bin', body)))
    await assert.rejects(unpack(archive, folder, 'set', limits, accept), refuses(/expected the folder set/))
    assert.deepEqual(await readdir(outside), [])
    await rm(outside, { recursive: true })
  })
})
