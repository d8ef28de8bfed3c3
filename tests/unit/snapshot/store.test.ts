import assert from 'node:assert/strict'
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after, test } from 'node:test'
import { torch, type Tensor } from '../../../src/binding/index.ts'
import {
  findSnapshot,
  matchingSnapshots,
  readPointer,
  readSnapshot,
  SnapshotStore,
} from '../../../src/snapshot/index.ts'
import { SnapshotError } from '../../../src/util/errors.ts'
import { silentLogger } from '../../../src/util/logger.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-snapshot-'))
after(() => rmSync(root, { recursive: true, force: true }))
let folders = 0
const newFolder = (): string => join(root, `phase-${++folders}`)

const open = (folder: string, keep = 2): Promise<SnapshotStore> =>
  SnapshotStore.open(folder, { keep, logger: silentLogger })

function content(order: number, value: number = order): Parameters<SnapshotStore['save']>[1] {
  const tensor: Tensor = torch.tensor([value, value + 1, value + 2])
  return { parts: new Map([['backbone', new Map([['weight', tensor]])]]), state: { step: order }, order }
}

async function save(store: SnapshotStore, order: number, best = false): Promise<string> {
  return store.save(`epoch-${String(order).padStart(4, '0')}`, content(order), { best })
}

const entries = (folder: string): string[] => readdirSync(folder).sort()

test('snapshot › what was saved is read back, through best, last, and the phase’s folder', async () => {
  const folder = newFolder()
  const store = await open(folder)
  await save(store, 1, true)
  await save(store, 2)
  for (const [path, order] of [
    [join(folder, 'epoch-0002'), 2],
    [join(folder, 'last'), 2],
    [join(folder, 'best'), 1],
    [folder, 1],
  ] as const) {
    const snapshot = await readSnapshot(path)
    assert.deepEqual(snapshot.state, { step: order })
    assert.deepEqual(snapshot.parts, ['backbone'])
    assert.deepEqual((await snapshot.load('backbone')).get('weight')?.toArray(), [order, order + 1, order + 2])
  }
})

test('snapshot › best and last are relative links', async () => {
  const folder = newFolder()
  await save(await open(folder), 3, true)
  for (const pointer of ['best', 'last']) {
    assert.ok(lstatSync(join(folder, pointer)).isSymbolicLink())
    assert.equal(readlinkSync(join(folder, pointer)), 'epoch-0003')
  }
})

test('snapshot › a pointer that is a plain file serves where links are refused', async () => {
  const folder = newFolder()
  await save(await open(folder), 1)
  rmSync(join(folder, 'last'))
  writeFileSync(join(folder, 'last'), 'epoch-0001\n')
  assert.equal(await readPointer(folder, 'last'), 'epoch-0001')
  assert.match((await findSnapshot(join(folder, 'last'))) ?? '', /epoch-0001$/)
})

test('snapshot › the first one is the best until another is', async () => {
  const folder = newFolder()
  const store = await open(folder)
  await save(store, 1)
  await save(store, 2)
  assert.equal(await readPointer(folder, 'best'), 'epoch-0001')
  await save(store, 3, true)
  assert.equal(await readPointer(folder, 'best'), 'epoch-0003')
})

test('snapshot › keeps the last two and the best, and nothing that is not its own is deleted', async () => {
  const folder = newFolder()
  const store = await open(folder)
  mkdirSync(join(folder, 'epoch-0000'))
  writeFileSync(join(folder, 'epoch-0000', 'notes.txt'), 'mine')
  for (let order = 1; order <= 6; order++) await save(store, order, order === 2)
  assert.deepEqual(entries(folder), ['best', 'epoch-0000', 'epoch-0002', 'epoch-0005', 'epoch-0006', 'last'])
  assert.equal(readFileSync(join(folder, 'epoch-0000', 'notes.txt'), 'utf8'), 'mine')
})

test('snapshot › a changed byte is found, with the file and both sums', async () => {
  const folder = newFolder()
  const path = join(await save(await open(folder), 1), 'backbone.safetensors')
  const bytes = readFileSync(path)
  bytes[bytes.length - 1]! ^= 1
  writeFileSync(path, bytes)
  await assert.rejects(readSnapshot(folder), (error: unknown) => {
    assert.ok(error instanceof SnapshotError)
    assert.match(error.message, /backbone\.safetensors: expected SHA-256 [0-9a-f]{64}, got [0-9a-f]{64}/)
    assert.match(error.message, /has no other snapshot that can be read: .* Delete the folder/)
    return true
  })
  await save(await open(folder), 2)
  await assert.rejects(readSnapshot(join(folder, 'epoch-0001')), (error: unknown) => {
    assert.ok(error instanceof SnapshotError && error.name === 'SnapshotError', String(error))
    return error.message.endsWith(`Take another snapshot of the phase, such as ${join(folder, 'epoch-0002')}.`)
  })
  truncateSync(join(folder, 'epoch-0002', 'backbone.safetensors'), 10)
  await assert.rejects(readSnapshot(join(folder, 'epoch-0001')), /has no other snapshot that can be read/)
})

test('snapshot › the newest whole one stands in for a damaged last, and says so', async () => {
  const folder = newFolder()
  const warnings: string[] = []
  const store = await SnapshotStore.open(folder, {
    keep: 3,
    logger: { ...silentLogger, warn: (message: string) => warnings.push(message) },
  })
  assert.equal(await store.newestReadable(), null)
  for (const order of [1, 2, 3]) await save(store, order)
  assert.deepEqual((await store.newestReadable())?.state, { step: 3 })
  assert.deepEqual(warnings, [])
  truncateSync(join(folder, 'epoch-0003', 'backbone.safetensors'), 10)
  assert.deepEqual((await store.newestReadable())?.state, { step: 2 })
  assert.match(
    warnings.join(''),
    /epoch-0003\/backbone\.safetensors: expected \d+ bytes, got 10.* Going on from .*epoch-0002/s,
  )
  for (const name of ['epoch-0001', 'epoch-0002']) truncateSync(join(folder, name, 'backbone.safetensors'), 10)
  // Neither names another one: what can be done is to train again.
  const hopeless =
    /epoch-0003\/backbone\.safetensors: expected \d+ bytes, got 10: [^.]*\. (\S+) has no other snapshot .* Delete the folder.*--resume/
  await assert.rejects(store.newestReadable(), (error: unknown) => {
    assert.ok(error instanceof SnapshotError, String(error))
    assert.equal(hopeless.exec(error.message)?.[1], folder, error.message)
    return !/Take another/.test(error.message)
  })
  rmSync(join(folder, 'epoch-0003'), { recursive: true })
  await assert.rejects(store.newestReadable(), /epoch-0003: expected a snapshot, found none\. .*Delete the folder/)
})

test('snapshot › a file that was cut off or is missing is found', async () => {
  const folder = newFolder()
  const snapshot = await save(await open(folder), 1)
  truncateSync(join(snapshot, 'backbone.safetensors'), 10)
  await assert.rejects(readSnapshot(folder), /backbone\.safetensors: expected \d+ bytes, got 10/)
  rmSync(join(snapshot, 'state.json'))
  writeFileSync(join(snapshot, 'backbone.safetensors'), '')
  await assert.rejects(readSnapshot(folder), SnapshotError)
})

test('snapshot › a manifest that names files outside the folder, or is no manifest, is refused', async () => {
  const folder = newFolder()
  const snapshot = await save(await open(folder), 1)
  const manifest = join(snapshot, 'manifest.json')
  const text = readFileSync(manifest, 'utf8')
  writeFileSync(manifest, text.replace('backbone.safetensors', '../../secret.json'))
  await assert.rejects(readSnapshot(folder), /expected the manifest of a snapshot, got other JSON/)
  writeFileSync(manifest, text.slice(0, 30))
  await assert.rejects(readSnapshot(folder), /it is not JSON/)
})

test('snapshot › a folder without one says what was expected', async () => {
  await assert.rejects(readSnapshot(root), /expected a snapshot/)
  await assert.rejects(readSnapshot(join(root, 'nowhere')), /found none/)
})

test('snapshot › a part that it does not hold is named', async () => {
  const folder = newFolder()
  await save(await open(folder), 1)
  await assert.rejects(
    (await readSnapshot(folder)).load('head'),
    /expected head\.safetensors in the snapshot, it holds backbone/,
  )
})

test('snapshot › what an interrupted process left is cleared, and a half-written one is never taken for a snapshot', async () => {
  const folder = newFolder()
  await save(await open(folder), 1)
  mkdirSync(join(folder, '.tmp-999-abc'))
  writeFileSync(join(folder, '.tmp-999-abc', 'backbone.safetensors'), 'half')
  await open(folder)
  assert.deepEqual(entries(folder), ['best', 'epoch-0001', 'last'])
})

test('snapshot › one written just before a kill, which no pointer names, makes room for its repetition', async () => {
  const folder = newFolder()
  const store = await open(folder)
  await save(store, 1)
  await save(store, 2)
  rmSync(join(folder, 'last'))
  await save(store, 3)
  rmSync(join(folder, 'last'))
  // last was not swapped any more: training goes on from 1 and writes 2 and 3 again
  const again = await store.save('epoch-0003', content(3, 30), { best: false })
  assert.equal(again, join(folder, 'epoch-0003'))
  assert.deepEqual((await (await readSnapshot(again)).load('backbone')).get('weight')?.toArray(), [30, 31, 32])
})

test('snapshot › one that is in use is never overwritten', async () => {
  const folder = newFolder()
  const store = await open(folder)
  const first = await save(store, 1)
  const second = await store.save('epoch-0001', content(1, 9), { best: false })
  assert.equal(second, join(folder, 'epoch-0001-2'))
  assert.deepEqual((await (await readSnapshot(first)).load('backbone')).get('weight')?.toArray(), [1, 2, 3])
})

test('snapshot › `best` is set before `last`: a kill between them leaves nothing finished with an older best', async () => {
  const folder = newFolder()
  const store = await open(folder)
  await save(store, 1, true)
  rmSync(join(folder, 'last'))
  mkdirSync(join(folder, 'last', 'in the way'), { recursive: true })
  await assert.rejects(save(store, 2, true), SnapshotError)
  assert.equal(await readPointer(folder, 'best'), 'epoch-0002')
})

test('snapshot › one written just before a kill, which only `best` names, gives way to its repetition', async () => {
  const folder = newFolder()
  const store = await SnapshotStore.open(folder, { keep: 2, logger: silentLogger, cycleOf: () => 1 })
  await save(store, 1, true)
  await save(store, 2, true)
  rmSync(join(folder, 'last'))
  symlinkSync('cycle-01-epoch-0001', join(folder, 'last'))
  const again = basename(await save(store, 2, true))
  assert.deepEqual([await readPointer(folder, 'best'), await readPointer(folder, 'last')], [again, again])
  assert.deepEqual(
    entries(folder).filter((name) => name.startsWith('cycle-')),
    ['cycle-01-epoch-0001', again],
  )
})

test('snapshot › a folder that is a file gives an error that names the path', async () => {
  const folder = newFolder()
  writeFileSync(folder, 'in the way')
  await assert.rejects(
    open(folder),
    (error: unknown) => error instanceof SnapshotError && error.message.includes(folder),
  )
})

test('snapshot › a * in any part of a path stands for all that fit, in the order of their names', async () => {
  const runs = newFolder()
  for (const [run, order] of [
    ['seed-2', 5],
    ['seed-1', 3],
    ['other', 9],
  ] as const)
    await save(await open(join(runs, run, 'train')), order)
  mkdirSync(join(runs, 'seed-3', 'train'), { recursive: true })
  const named = (...parts: string[]): string => join(runs, ...parts)
  assert.deepEqual(await matchingSnapshots([named('seed-*', 'train', 'last')]), [
    named('seed-1', 'train', 'last'),
    named('seed-2', 'train', 'last'),
  ])
  assert.deepEqual(await matchingSnapshots([named('o*r', 'train', 'epoch-*'), 'as/given']), [
    named('other', 'train', 'epoch-0009'),
    'as/given',
  ])
  await assert.rejects(matchingSnapshots([named('seed-*', 'arcface', 'best')]), SnapshotError)
})
