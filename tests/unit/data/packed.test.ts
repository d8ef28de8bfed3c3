import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, open, readFile, readdir, rename, rm, stat, truncate, unlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { PackedFile } from '../../../src/binding/index.ts'
import { dataOptionsSchema, openDataset } from '../../../src/data/index.ts'
import type { DatasetSplits } from '../../../src/data/index.ts'
import { cacheFolder } from '../../../src/data/packed/index.ts'
import { makeRoom } from '../../../src/data/packed/folder.ts'
import { packBytes } from '../../../src/data/packed/write.ts'
import { DatasetError } from '../../../src/util/errors.ts'
import { silentLogger } from '../../../src/util/logger.ts'
import { fixtures, picture, put } from '../../support/dataset-fixtures.ts'

let root: string
let cache: string
let said: string[]
const logger = { ...silentLogger, warn: (text: string) => said.push(text), info: (text: string) => said.push(text) }
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'trivium-packed-'))
  cache = join(root, 'cache')
  said = []
  await (fixtures['imagefolder'] as (root: string) => Promise<unknown>)(join(root, 'set'))
})
afterEach(() => rm(root, { recursive: true }))

const openSet = (o: object = {}): Promise<DatasetSplits> =>
  openDataset(
    dataOptionsSchema.parse({ dataset: 'imagefolder', directory: join(root, 'set'), imageSize: 7, resizeTo: 8, cache, ...o }),
    { seed: 1, logger },
  )
const packs = async (): Promise<string[]> => (await readdir(cache)).filter((name) => name.endsWith('.pack'))
const pack = async (): Promise<string> => join(cache, (await packs())[0] as string)
async function everything({ train, validation, test: tested }: DatasetSplits): Promise<Buffer> {
  const parts = await Promise.all([train, validation, tested].map((part) => part?.read(Array.from(part.labels.keys()))))
  return Buffer.concat(parts.map((part) => part ?? new Uint8Array()))
}

describe('packed cache', () => {
  test('gives the pixels that decoding gives, for training squares and for the smaller evaluation ones', async () => {
    for (const [width, height] of [
      [31, 10],
      [10, 31],
      [13, 12],
      [8, 9],
    ] as const)
      await put(join(root, 'set', 'cat', `odd ${width}.jpg`), await picture(width * 4, width, height, 'jpeg'))
    const direct = await everything(await openSet({ cache: 'off' }))
    assert.ok((await everything(await openSet())).equals(direct))
    assert.ok((await everything(await openSet())).equals(direct))
    assert.equal((await packs()).length, 1)
  })

  test('nothing is decoded the second time: the pictures could be gone', async () => {
    const first = await everything(await openSet())
    const again = await openSet()
    for (const name of ['cat', 'dog']) for (let i = 0; i < 5; i++) await unlink(join(root, 'set', name, `${i}.png`))
    assert.ok((await everything(again)).equals(first))
  })

  test('a changed picture, a new one, other settings: each is decoded anew, and the stale pack goes', async () => {
    const before = await everything(await openSet())
    const file = join(root, 'set', 'cat', '0.png')
    const { mtime } = await stat(file)
    await put(file, await picture(255))
    await utimes(file, new Date(mtime.getTime() + 5), new Date(mtime.getTime() + 5)) // the same size, milliseconds later
    const after = await everything(await openSet())
    assert.ok(!after.equals(before))
    assert.equal((await packs()).length, 1)
    await put(join(root, 'set', 'cat', 'new.png'), await picture(7))
    const { train, validation, test: tested } = await openSet()
    assert.equal(train.length + (validation?.length ?? 0) + tested.length, 11)
    assert.equal((await packs()).length, 1)
    await openSet({ imageSize: 6 })
    assert.equal((await packs()).length, 1, 'the stored square is that of resize_to')
    await openSet({ resizeTo: 9 })
    assert.equal((await packs()).length, 2)
  })

  const built = (): number => said.filter((text) => /decoded pictures are kept/.test(text)).length

  test('a file that was touched, and a folder that was moved, have the content that was decoded: nothing is decoded anew', async () => {
    const good = await everything(await openSet())
    assert.equal(built(), 1)
    const later = new Date(Date.now() + 5000)
    await utimes(join(root, 'set', 'cat', '0.png'), later, later)
    assert.ok((await everything(await openSet())).equals(good))
    assert.equal(built(), 1)
    await rename(join(root, 'set'), join(root, 'moved'))
    assert.ok((await everything(await openSet({ directory: join(root, 'moved') }))).equals(good))
    assert.equal(built(), 1)
    assert.equal((await packs()).length, 1)
    for (const name of await readdir(cache)) if (name.endsWith('.seen')) await truncate(join(cache, name), 50)
    assert.ok((await everything(await openSet({ directory: join(root, 'moved') }))).equals(good))
    assert.equal(built(), 1)
  })

  test('another content behind the same size and time is noticed by cache_verify, and only by it', async () => {
    const file = join(root, 'set', 'cat', '0.png')
    const time = new Date(1e12)
    const write = async (level: number): Promise<void> => {
      const bytes = await picture(level)
      await writeFile(file, Buffer.concat([bytes, Buffer.alloc(1000 - bytes.length)])) // what follows a PNG's end is ignored
      await utimes(file, time, time)
    }
    await write(10)
    const before = await everything(await openSet())
    await write(255)
    assert.ok((await everything(await openSet())).equals(before))
    assert.equal(built(), 1)
    const after = await everything(await openSet({ cacheVerify: true }))
    assert.ok(!after.equals(before))
    assert.equal(built(), 2)
    assert.ok(said.some((text) => /changed though their size and time have not/.test(text)))
    assert.ok((await everything(await openSet({ cacheVerify: true }))).equals(after))
    assert.equal(built(), 2)
    assert.equal((await packs()).length, 1)
  })

  test('a pack with unreadable pictures, whose reasons name files, is not taken for the same pictures in another folder', async () => {
    await put(join(root, 'set', 'cat', 'bad.png'), 'no picture')
    await openSet({ unreadable: 'skip', maxBadFraction: 0.2 })
    await rename(join(root, 'set'), join(root, 'moved'))
    const { train } = await openSet({ directory: join(root, 'moved'), unreadable: 'skip', maxBadFraction: 0.2 })
    assert.match(train.unreadable[0]?.reason ?? '', /moved.*bad\.png: expected/)
  })

  test('what is remembered of a pack goes with it', async () => {
    await openSet()
    await openSet({ resizeTo: 9, cacheGigabytes: (packBytes(10, 9) + 10) / 1e9 })
    const names = await readdir(cache)
    assert.equal(names.filter((name) => name.endsWith('.pack')).length, 1)
    assert.equal(names.filter((name) => name.endsWith('.seen')).length, 1)
  })

  test('damaged pixels are decoded again, it is said once, and the next run builds the pack anew', async () => {
    const good = await everything(await openSet())
    const path = await pack()
    const file = await open(path, 'r+')
    await file.write(Buffer.from([1, 2, 3]), 0, 3, 4096 + 8 * 8 * 3 * 4)
    await file.close()
    said = []
    const splits = await openSet()
    assert.ok((await everything(splits)).equals(good))
    assert.ok((await everything(splits)).equals(good))
    assert.deepEqual(said.filter((text) => /damaged; its pictures are decoded again/.test(text)).length, 1)
    await assert.rejects(stat(path))
    assert.ok((await everything(await openSet())).equals(good))
    await stat(path)
  })

  for (const [what, spoil] of [
    ['cut off', (path: string) => truncate(path, 5000)],
    ['empty', (path: string) => truncate(path, 0)],
    ['another file', (path: string) => writeFile(path, Buffer.alloc(9000, 'x'))],
    [
      'a footer with a flipped bit',
      async (path: string) => {
        const bytes = await readFile(path)
        bytes[bytes.length - 3] = (bytes[bytes.length - 3] as number) ^ 1
        await writeFile(path, bytes)
      },
    ],
  ] as const) {
    test(`a pack that is ${what} is refused with the reason and built anew`, async () => {
      const good = await everything(await openSet())
      await spoil(await pack())
      await assert.rejects(PackedFile.open(await pack()), (e) => e instanceof DatasetError && /not a usable cache/.test(e.message))
      assert.ok((await everything(await openSet())).equals(good))
      assert.ok(said.some((text) => /not a usable cache: .* built anew/.test(text)))
    })
  }

  test('every flipped byte of head and footer is refused or changes nothing', async () => {
    await openSet()
    const path = await pack()
    const good = await readFile(path)
    const footer = good.readBigUInt64LE(24)
    for (const at of [...Array(48).keys(), ...Array.from({ length: 40 }, (_, i) => Number(footer) + i * 5)]) {
      assert.ok(at < good.length)
      const bytes = Buffer.from(good)
      bytes[at] = (bytes[at] as number) ^ 0x10
      await writeFile(path, bytes)
      await assert.rejects(PackedFile.open(path), DatasetError, `byte ${at}`)
    }
  })

  test('a pack that is cut off while it is open ends in an error, not in a crash', async () => {
    const { train } = await openSet()
    await truncate(await pack(), 4096)
    await assert.rejects(train.read([0]), (e) => e instanceof DatasetError && /cut off while it was in use/.test(e.message))
  })

  test('off keeps nothing; a folder that cannot be written or holds too little is a warning, not an end', async () => {
    const good = await everything(await openSet({ cache: 'off' }))
    await assert.rejects(readdir(cache))
    await writeFile(join(root, 'file'), '')
    assert.ok((await everything(await openSet({ cache: join(root, 'file') }))).equals(good))
    assert.match(said.join('\n'), /not kept \((ENOTDIR|EEXIST) on/)
    said = []
    assert.ok((await everything(await openSet({ cacheGigabytes: 1e-6 }))).equals(good))
    assert.match(said.join('\n'), /more than data.cache_gigabytes allows/)
    assert.deepEqual(await packs(), [])
  })

  test('a folder that takes no lock file is a warning as well, and a pack in it is still read', async () => {
    const good = await everything(await openSet({ cache: 'off' }))
    await openSet()
    const seen = (await readdir(cache)).find((name) => name.endsWith('.seen.lock')) as string
    await rm(join(cache, seen))
    await mkdir(join(cache, seen)) // for root, too
    said = []
    assert.ok((await everything(await openSet())).equals(good))
    assert.deepEqual(said, [])
    await rm(await pack())
    assert.ok((await everything(await openSet())).equals(good))
    assert.match(said.join('\n'), /not kept \(EISDIR on/)
  })

  test('an aborted build leaves nothing behind but the lock', async () => {
    const stop = new AbortController()
    const options = dataOptionsSchema.parse({ dataset: 'imagefolder', directory: join(root, 'set'), imageSize: 7, cache })
    const reason = new Error('stop')
    await assert.rejects(
      openDataset(options, { seed: 1, logger, signal: stop.signal, progress: () => stop.abort(reason) }).then(() => {
        stop.signal.throwIfAborted() // one batch holds all: it was built before the signal
      }),
      (e) => e === reason,
    )
    await assert.rejects(openDataset(options, { seed: 1, logger, signal: AbortSignal.abort(reason) }), (e) => e === reason)
    assert.deepEqual((await readdir(cache)).filter((name) => name.endsWith('.tmp')), [])
  })

  test('unreadable pictures are remembered with their reasons', async () => {
    await put(join(root, 'set', 'cat', 'bad.png'), 'no picture')
    for (let round = 0; round < 2; round++) {
      const { train } = await openSet({ unreadable: 'skip', maxBadFraction: 0.2 })
      assert.match(train.unreadable[0]?.reason ?? '', /bad\.png: expected a JPEG/)
      await assert.rejects(openSet(), (e) => e instanceof DatasetError && /1 of 11 files cannot be read/.test(e.message))
    }
    assert.equal((await packs()).length, 1)
  })

  test('of several processes one decodes, the others wait and read what it made', async () => {
    const script = fileURLToPath(new URL('../../support/open-dataset.ts', import.meta.url))
    const runs = Array.from({ length: 3 }, () => {
      const child = spawn(process.execPath, ['--import', 'tsx', script, join(root, 'set'), cache], { stdio: ['ignore', 'pipe', 'inherit'] })
      let text = ''
      child.stdout.on('data', (part: Buffer) => (text += part.toString()))
      return once(child, 'close').then(([code]) => ({ code: code as number, text }))
    })
    const results = await Promise.all(runs)
    assert.deepEqual(results.map(({ code }) => code), [0, 0, 0])
    const reports = results.map(({ text }) => JSON.parse(text) as { built: boolean; sum: string })
    assert.equal(reports.filter(({ built }) => built).length, 1)
    assert.equal(new Set(reports.map(({ sum }) => sum)).size, 1)
    assert.equal((await packs()).length, 1)
  })

  test('makeRoom removes what was used longest ago, and only packs', async () => {
    await mkdir(cache)
    for (const [name, age] of [
      ['old.pack', 300],
      ['new.pack', 100],
      ['middle.pack', 200],
      ['keep.txt', 900],
    ] as const) {
      await writeFile(join(cache, name), Buffer.alloc(100))
      const then = new Date(Date.now() - age * 1000)
      await utimes(join(cache, name), then, then)
    }
    assert.equal(await makeRoom(cache, 150, 260), true)
    assert.deepEqual((await readdir(cache)).filter((name) => !name.startsWith('.')).sort(), ['keep.txt', 'new.pack'])
    assert.equal(await makeRoom(cache, 300, 260), false)
    assert.ok((await readdir(cache)).includes('new.pack'))
  })

  test('the folder: off, a path, or the user’s cache', () => {
    assert.equal(cacheFolder('off'), null)
    assert.equal(cacheFolder('/x/y'), '/x/y')
    assert.equal(cacheFolder('auto', { TRIVIUM_CACHE: '/t', XDG_CACHE_HOME: '/c' }), '/t/pictures')
    assert.equal(cacheFolder('auto', { XDG_CACHE_HOME: '/c' }), '/c/trivium/pictures')
  })
})
