/** Finding and reading a snapshot; everything is verified before a byte is used. */
import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { readSafetensors, type Tensor } from '../binding/index.ts'
import { SnapshotError } from '../util/errors.ts'
import { Damage, manifestName, readManifest, verifyFiles } from './manifest.ts'
import { fallbackOf } from './fallback-note.ts'
import { readPointer, type PointerName } from './pointer.ts'

export interface Snapshot {
  /** real path of its folder */
  readonly path: string
  /** that of its manifest: grows from snapshot to snapshot of a phase */
  readonly order: number
  /** content of state.json */
  readonly state: unknown
  /** "backbone", "head", "ema_backbone" … */
  readonly parts: readonly string[]
  /** @throws {SnapshotError} when the snapshot has no such part */
  load(part: string): Promise<Map<string, Tensor>>
}

async function isSnapshotFolder(path: string): Promise<boolean> {
  return (await stat(join(path, manifestName)).catch(() => null))?.isFile() ?? false
}

/**
 * The folder of a snapshot, from its own path, a `best`/`last` pointer, or a phase's folder (then its `best`, else its `last`).
 * Null when there is none.
 */
export async function findSnapshot(path: string): Promise<string | null> {
  const found = await stat(path).catch(() => null)
  if (found === null) return null
  if (found.isFile()) {
    // a pointer that is a plain file
    const target = join(path, '..', (await readFile(path, 'utf8')).slice(0, 256).trim())
    return (await isSnapshotFolder(target)) ? realpath(target) : null
  }
  if (await isSnapshotFolder(path)) return realpath(path)
  const folders = [path, await fallbackOf(path)].filter((folder) => folder !== null)
  for (const pointer of ['best', 'last'] as const) {
    const named = await newestNamed(folders, pointer)
    if (named !== null) return realpath(named)
  }
  return null
}

/** What the pointer names in the folder where that is newer; null where it names nothing in any of them. */
export async function newestNamed(folders: readonly string[], pointer: PointerName): Promise<string | null> {
  let newest: { path: string; order: number } | null = null
  for (const folder of folders) {
    const target = await readPointer(folder, pointer)
    if (target === null || !(await isSnapshotFolder(join(folder, target)))) continue
    // One that cannot be read is found as long as there is no other: whoever opens it is told what is wrong.
    const order = await readManifest(join(folder, target)).then(
      (manifest) => manifest.order,
      () => -1,
    )
    if (newest === null || order > newest.order) newest = { path: join(folder, target), order }
  }
  return newest?.path ?? null
}

/** @throws {SnapshotError} when there is no snapshot at `path`, or a file of it is missing or damaged: what to take instead */
export async function readSnapshot(path: string): Promise<Snapshot> {
  const folder = await findSnapshot(path)
  if (folder === null)
    throw new SnapshotError(
      `${path}: expected a snapshot (a folder with ${manifestName}, or a phase's folder with best and last), found none. ` +
        'Name one such as snapshots/<run>/<phase>/best.',
    )
  return openSnapshot(folder).catch(async (error: unknown) => {
    if (!(error instanceof Damage)) throw error
    throw new SnapshotError(`${error.what} ${await advice(folder)}`, { cause: error.cause })
  })
}

/** @throws {Damage} when a file of it is missing or damaged */
export async function openSnapshot(folder: string): Promise<Snapshot> {
  const manifest = await readManifest(folder)
  await verifyFiles(folder, manifest)
  const parts = Object.keys(manifest.files).flatMap((file) =>
    file.endsWith('.safetensors') ? [file.slice(0, -'.safetensors'.length)] : [],
  )
  return {
    path: folder,
    order: manifest.order,
    state: JSON.parse(await readFile(join(folder, 'state.json'), 'utf8')),
    parts,
    async load(part) {
      if (!parts.includes(part))
        throw new SnapshotError(
          `${folder}: expected ${part}.safetensors in the snapshot, it holds ${parts.join(', ')}.`,
        )
      return (await readSafetensors(join(folder, `${part}.safetensors`))).tensors
    },
  }
}

/** What can be done without this snapshot: the newest of its phase that is whole, or training again. */
async function advice(folder: string): Promise<string> {
  let newest: { path: string; order: number } | null = null
  for (const entry of await readdir(dirname(folder), { withFileTypes: true }).catch(() => [])) {
    if (!entry.isDirectory() || entry.name === basename(folder)) continue // the pointers are links
    const path = join(dirname(folder), entry.name)
    const other = await openSnapshot(path).catch(() => null)
    if (other !== null && other.order > (newest?.order ?? -1)) newest = { path, order: other.order }
  }
  return newest === null ? trainAgain(dirname(folder)) : `Take another snapshot of the phase, such as ${newest.path}.`
}

/** @param folder of a phase, in which nothing can be read */
export function trainAgain(folder: string): string {
  return (
    `${folder} has no other snapshot that can be read: its phase has to be trained again. ` +
    'Delete the folder, and the command that made it does so with --resume; earlier phases stay.'
  )
}
