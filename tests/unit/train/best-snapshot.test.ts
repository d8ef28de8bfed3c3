/** What `best` names when a training goes on. */
import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after, test } from 'node:test'
import { torch } from '../../../src/binding/index.ts'
import {
  fallbackOf,
  findSnapshot,
  LastingSnapshots,
  readSnapshot,
  SnapshotStore,
  type Snapshot,
  type Snapshots,
} from '../../../src/snapshot/index.ts'
import { parseTrainingState, withBestNamed, type TrainingState } from '../../../src/train/index.ts'
import { initialState } from '../../../src/train/state.ts'
import { silentLogger, type Logger } from '../../../src/util/logger.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-best-'))
after(() => rmSync(root, { recursive: true, force: true }))

/** Epochs 1 to `count` of a training whose best epoch so far was `best`, with what is on the disk after each. */
async function saved(store: Snapshots, count: number, best: TrainingState['best']): Promise<void> {
  for (let epoch = 1; epoch <= count; epoch++) {
    const parts = new Map([['backbone', new Map([['w', torch.tensor([epoch])]])]])
    const state = { ...initialState('train', 1, {}), epoch, step: epoch * 5, best }
    await store.save(`epoch-000${epoch}`, { parts, state, order: epoch * 5 }, { best: epoch === 2 })
  }
}

const bestIs = (epoch: number): TrainingState['best'] => ({ epoch, loss: 0.5, accuracy: 0.8 })
const newest = async (store: Snapshots): Promise<Snapshot> => (await store.newestReadable()) as Snapshot
const best = async (store: Snapshots): Promise<string> => basename((await store.pointer('best')) ?? 'none')

test('best › a process that ended between naming last and best is made up for', async () => {
  const store = await SnapshotStore.open(join(root, 'between'), { keep: 9, logger: silentLogger })
  await saved(store, 3, bestIs(3))
  assert.equal(await best(store), 'epoch-0002')
  const snapshot = await newest(store)
  assert.equal(await withBestNamed(store, snapshot, silentLogger), snapshot)
  assert.equal(await best(store), 'epoch-0003')
  const alone = await SnapshotStore.open(join(root, 'unwatched'), { keep: 9, logger: silentLogger })
  await saved(alone, 3, { epoch: 1, loss: null, accuracy: null })
  await withBestNamed(alone, await newest(alone), silentLogger)
  assert.equal(await best(alone), 'epoch-0003', 'without validation each epoch is the best')
})

test('best › one that is whole stays; one that is damaged or gone makes way, with a word, until a later epoch is best', async () => {
  for (const [what, harm] of [
    ['whole', null],
    ['damaged', (path: string) => appendFileSync(join(path, 'backbone.safetensors'), 'x')],
    ['gone', (path: string) => rmSync(path, { recursive: true })],
  ] as const) {
    const lines: string[] = []
    const logger: Logger = { ...silentLogger, warn: (line) => void lines.push(line) }
    const folder = join(root, what)
    const store = await SnapshotStore.open(folder, { keep: 9, logger })
    await saved(store, 3, bestIs(2))
    harm?.(join(folder, 'epoch-0002'))
    const from = await withBestNamed(store, await newest(store), logger)
    const state = parseTrainingState(from.state, from.path)
    if (harm === null) {
      assert.deepEqual([await best(store), state.best, lines], ['epoch-0002', bestIs(2), []])
      continue
    }
    assert.deepEqual([await best(store), state.best, state.step, lines.length], ['epoch-0003', null, 15, 1], what)
    assert.match(lines[0] ?? '', /epoch-0002.*epoch-0003 takes its place until a later epoch has one/, what)
    await readSnapshot(folder)
  }
})

test('best › of two folders one names it: what the other one names would be found where it is newer', async () => {
  const folder = join(root, 'two', 'phase')
  const options = { keep: 9, logger: silentLogger, fallback: join(root, 'elsewhere'), pauses: [] }
  await saved(await LastingSnapshots.open(folder, options), 3, bestIs(2))
  const elsewhere = (await fallbackOf(folder)) as string
  await saved(await SnapshotStore.open(elsewhere, { keep: 9, logger: silentLogger }), 4, bestIs(2))
  const store = await LastingSnapshots.open(folder, options)
  for (const path of [join(folder, 'epoch-0001'), join(elsewhere, 'epoch-0003'), join(folder, 'epoch-0002')]) {
    await store.nameBest(path)
    assert.equal(await store.pointer('best'), path)
    assert.equal(await findSnapshot(folder), path)
  }
})
