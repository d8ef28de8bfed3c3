/** A disk that fills up, turns read-only or vanishes while a run trains: it ends with a clear error, or goes on elsewhere. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test, type TestContext } from 'node:test'
import { torch } from '../../src/binding/index.ts'
import { newestRun, pipelineConfigSchema, runPipeline } from '../../src/phases/index.ts'
import { findSnapshot, LastingSnapshots, readSnapshot, type SnapshotContent } from '../../src/snapshot/index.ts'
import type { Callback } from '../../src/train/index.ts'
import { SnapshotError } from '../../src/util/errors.ts'
import { silentLogger, type Logger } from '../../src/util/logger.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-fallback-'))
after(() => rmSync(root, { recursive: true, force: true }))

function recording(): { logger: Logger; lines: string[] } {
  const lines: string[] = []
  const note = (text: string): void => void lines.push(text)
  const logger: Logger = { ...silentLogger, warn: note, child: () => logger }
  return { logger, lines }
}

const content = (order: number): SnapshotContent => ({
  parts: new Map([['w', new Map([['w', torch.tensor(new Float32Array(1000).fill(order))]])]]),
  state: { step: order },
  order,
})

async function open(folder: string, fallback: string | null, logger: Logger = silentLogger): Promise<LastingSnapshots> {
  return LastingSnapshots.open(folder, { keep: 2, logger, fallback, pauses: [1, 2] })
}

/** A folder in which nothing can be made or changed any more, also not by root: its place is taken by a file. */
function takeAway(folder: string): () => void {
  renameSync(folder, `${folder}.away`)
  writeFileSync(folder, '')
  return () => {
    rmSync(folder)
    renameSync(`${folder}.away`, folder)
  }
}

test('fallback › a save that fails is tried again, and then ends the run with what was wrong', async () => {
  const folder = join(root, 'alone', 'phase')
  const { logger, lines } = recording()
  const store = await open(folder, null, logger)
  await store.save('a', content(1), { best: true })
  rmSync(folder, { recursive: true })
  await assert.rejects(store.save('b', content(2), { best: true }), (error: unknown) => {
    assert.ok(error instanceof SnapshotError)
    assert.match(
      error.message,
      /could not save the snapshot .*phase\/b: .*phase has vanished, and with it its snapshots/,
    )
    return true
  })
  assert.deepEqual(
    lines.map((line) => /Trying again in [\d.]+ s/.exec(line)?.[0]),
    ['Trying again in 0.001 s', 'Trying again in 0.002 s'],
  )
})

test('fallback › a folder that comes back between two tries is used', async () => {
  const folder = join(root, 'short', 'phase')
  const store = await LastingSnapshots.open(folder, {
    keep: 2,
    logger: silentLogger,
    fallback: join(root, 'unused'),
    pauses: [400],
  })
  const back = takeAway(folder)
  setTimeout(back, 100)
  assert.equal(await store.save('a', content(1), { best: true }), join(folder, 'a'))
  assert.ok(!existsSync(join(root, 'unused')))
})

test('fallback › snapshots go elsewhere and come back; best, last and resuming find the newest of both', async () => {
  const folder = join(root, 'both', 'phase')
  const { logger, lines } = recording()
  const store = await open(folder, join(root, 'elsewhere'), logger)
  await store.save('a', content(1), { best: true })
  const back = takeAway(folder)
  const there = await store.save('b', content(2), { best: false })
  assert.ok(there.startsWith(join(root, 'elsewhere')), there)
  assert.match(lines.at(-1) ?? '', /Snapshots go to .*elsewhere/)
  back()
  assert.equal(await store.pointer('last'), there)
  assert.equal(await store.pointer('best'), join(folder, 'a'), 'the first one elsewhere is not the best for that')
  assert.equal(await findSnapshot(folder), join(folder, 'a'))
  // A process that begins now finds both.
  const later = await open(folder, null)
  assert.deepEqual(((await later.newestReadable())?.state as { step: number }).step, 2)
  const again = takeAway(folder)
  const best = await store.save('c', content(3), { best: true })
  again()
  assert.equal(await findSnapshot(folder), best)
  await store.save('d', content(4), { best: false })
  assert.equal(await store.pointer('last'), join(folder, 'd'))
  assert.deepEqual((await (await open(folder, null)).newestReadable())?.state, { step: 4 })
})

test('fallback › where the other folder fails too, the error names both', async () => {
  const folder = join(root, 'neither', 'phase')
  writeFileSync(join(root, 'file'), '')
  const store = await open(folder, join(root, 'file', 'below'))
  takeAway(folder)
  await assert.rejects(
    store.save('a', content(1), { best: true }),
    /could not save the snapshot .*neither\/phase\/a .*The other folder did not take it either: .*file/,
  )
})

/** Digits, one phase of three epochs; `onEpoch` is told before each snapshot. */
async function train(
  name: string,
  directory: string,
  options: { fallback: string | null; onEpoch?: (epoch: number) => void; resume?: boolean; logger?: Logger },
): Promise<Record<string, string>> {
  const config = pipelineConfigSchema.parse({
    run: { name, directory, snapshotFallback: options.fallback },
    device: 'cpu',
    threads: 1,
    data: { dataset: 'digits', imageSize: 16 },
    backbone: { name: 'small_cnn', width: 8 },
    train: { epochs: 3, batchSize: 256 },
  })
  const watch: Callback = { name: 'watch', onEpochEnd: ({ epoch }) => options.onEpoch?.(epoch) }
  const { phases } = await runPipeline(config, {
    phases: ['train'],
    callbacks: [watch],
    resume: options.resume ?? false,
    ...(options.logger === undefined ? {} : { logger: options.logger }),
  })
  const manifest = JSON.parse(readFileSync(join(phases[0]?.snapshot ?? '', 'manifest.json'), 'utf8')) as {
    files: Record<string, { sha256: string }>
  }
  return Object.fromEntries(
    Object.entries(manifest.files).flatMap(([file, { sha256 }]) => (file === 'state.json' ? [] : [[file, sha256]])),
  )
}

function mounted(context: TestContext, size: string): string | null {
  const disk = mkdtempSync(join(root, 'disk-'))
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', disk]).status !== 0) {
    context.skip('needs the right to mount a tmpfs')
    return null
  }
  context.after(() => void spawnSync('umount', ['-l', disk]))
  return disk
}

test(
  'fallback › a run whose disk fills up ends with path and bytes; with another folder it goes on to the same weights',
  { timeout: 300_000 },
  async (context) => {
    const disk = mounted(context, '8m')
    if (disk === null) return
    const quiet = await train('quiet', root, { fallback: null })
    const fill = (epoch: number): void => {
      if (epoch === 2) spawnSync('dd', ['if=/dev/zero', `of=${join(disk, 'filler')}`, 'bs=4k'])
    }
    await assert.rejects(train('ends', disk, { fallback: null, onEpoch: fill }), (error: unknown) => {
      assert.ok(error instanceof SnapshotError)
      assert.match(
        error.message,
        /could not save the snapshot .*epoch-0002 \(it needs [\d.]+ MB, 0\.00 MB is free\): .*[Nn]o space left.* Kept: .*epoch-0001/,
      )
      return true
    })
    rmSync(join(disk, 'filler'))
    const { logger, lines } = recording()
    const elsewhere = join(root, 'spare')
    const sums = await train('goes-on', disk, { fallback: elsewhere, onEpoch: fill, logger })
    assert.deepEqual(sums, quiet)
    assert.ok(
      lines.some((line) => /Snapshots go to .*spare/.test(line)),
      lines.join('\n'),
    )
    rmSync(join(disk, 'filler'))
    // Finished elsewhere: whoever asks finds it.
    const folder = join(disk, 'snapshots', 'goes-on', 'train')
    const found = await readSnapshot(folder)
    assert.ok(found.path.startsWith(elsewhere), found.path)
    assert.deepEqual(await train('goes-on', disk, { fallback: elsewhere, resume: true }), quiet)
  },
)

test('fallback › a disk that turns read-only, and a folder that vanishes', { timeout: 300_000 }, async (context) => {
  const quiet = await train('quiet-2', root, { fallback: null })
  const elsewhere = join(root, 'spare-2')
  const vanished = join(root, 'vanishing')
  mkdirSync(vanished)
  const sums = await train('vanishes', vanished, {
    fallback: elsewhere,
    onEpoch(epoch) {
      if (epoch === 2) rmSync(join(vanished, 'snapshots'), { recursive: true })
    },
  })
  assert.deepEqual(sums, quiet)
  assert.equal(newestRun(vanished, 'vanishes'), null)
  const folder = join(root, 'snapshots', 'read-only', 'train')
  context.after(() => void spawnSync('umount', ['-l', folder]))
  let isReadOnly = false
  const readOnly = (epoch: number): void => {
    if (epoch !== 2) return
    const mount = (...args: string[]): boolean => spawnSync('mount', args).status === 0
    isReadOnly = mount('--bind', folder, folder) && mount('-o', 'remount,ro,bind', folder)
  }
  const { logger, lines } = recording()
  assert.deepEqual(await train('read-only', root, { fallback: elsewhere, onEpoch: readOnly, logger }), quiet)
  if (!isReadOnly) return context.skip('the read-only half needs the right to mount')
  assert.ok(
    lines.some((line) => /file system is read-only.* Snapshots go to .*spare-2/.test(line)),
    lines.join('\n'),
  )
})
