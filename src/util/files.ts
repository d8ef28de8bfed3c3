/** Files that are either whole or absent: written beside the target, fsynced, renamed. */

import { createHash, randomBytes } from 'node:crypto'
import { closeSync, createReadStream, existsSync, fsyncSync, mkdirSync, openSync, statSync } from 'node:fs'
import { open, readdir, rename, rm } from 'node:fs/promises'
import { constants } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { lacksMemory, SnapshotError } from './errors.ts'

/**
 * Writes a file so that a crash at any moment leaves the old content or the new one, never a part.
 *
 * The temporary file lies in the target's folder (a rename across file systems fails with EXDEV), the folder is made when missing,
 * and the folder entry is fsynced after the rename.
 *
 * @throws {SnapshotError} when the disk is full, read-only or not writable; the previous file is untouched then
 */
export async function writeFileAtomic(path: string, content: string | Uint8Array): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`)
  try {
    makeFolders(dirname(path))
    const file = await open(temporary, 'wx')
    try {
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
    await syncDirectory(dirname(path))
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined) // the cause is what counts
    throw writeError(error, path)
  }
}

/** Makes a folder and its parents; no error when it exists. */
export async function ensureDir(path: string): Promise<void> {
  ensureDirSync(path)
}

/** As `ensureDir`, for constructors. @throws {SnapshotError} when it cannot be made */
export function ensureDirSync(path: string): void {
  try {
    makeFolders(path)
  } catch (error) {
    throw writeError(error, path)
  }
}

/**
 * Makes one folder, and its name durable: a power cut would take a folder with all that was saved in it.
 *
 * @throws the system's error when it is there already, or cannot be made
 */
export function makeFolder(path: string): void {
  mkdirSync(path)
  try {
    const parent = openSync(dirname(path), 'r')
    try {
      fsyncSync(parent)
    } finally {
      closeSync(parent)
    }
  } catch {
    // It is there, and can be used: some file systems make names durable by themselves and refuse the call.
  }
}

/** Node's recursive mkdir tries for ever where a folder exists and takes no other (/proc). */
function makeFolders(path: string): void {
  try {
    makeFolder(path)
  } catch (error) {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return
    const parent = dirname(path)
    if (systemCode(error) !== 'ENOENT' || existsSync(parent)) throw error
    makeFolders(parent)
    makeFolders(path)
  }
}

/** Makes the entries of a folder durable: without it a rename may be undone by a power cut. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** SHA-256 of a file's content, lower-case hex. */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}

const CAUSES: Readonly<Record<string, string>> = {
  ENOSPC: 'no space left on the disk. Free some space and run again (a training with --resume)',
  EDQUOT: 'the disk quota is used up. Free some space and run again (a training with --resume)',
  EROFS: 'the file system is read-only. Choose another folder (a run: --set run.directory=…)',
  EACCES: 'permission denied. Make the folder writable or choose another (a run: --set run.directory=…)',
  EPERM: 'the operation is not permitted. Make the folder writable or choose another (a run: --set run.directory=…)',
  EIO: 'the disk reported an I/O error. Check the disk, then run again (a training with --resume)',
  ENOTDIR: 'a part of the path is a file, not a folder. Rename that file or choose another folder',
  EISDIR: 'it is a folder. Name a file in it',
  EEXIST: 'a file of that name is in the way. Rename it or choose another folder',
  ENOENT:
    'it, or a folder on the way to it, does not exist and cannot be made. Check the path, and that the file system is writable',
  EMFILE: 'too many open files. Raise the limit (ulimit -n)',
  ENFILE: 'the system has too many open files. End other programs',
  ENOMEM: 'it has not enough memory. Lower batch_size or image_size, or end other programs',
}

/** What to do where the system refused something, or null: it is none of what it refuses in the course of things. */
export function systemAdvice(error: unknown): string | null {
  return CAUSES[systemCode(error) ?? ''] ?? null
}

/** A failed write in our words: path, cause, remedy. Errors that are ours already pass through; `cause` keeps the system's. */
export function writeError(error: unknown, path: string): Error {
  const code = systemCode(error)
  if (code === null) return error instanceof Error ? error : new Error(String(error))
  const why = CAUSES[code] ?? `the system answered ${code}`
  return new SnapshotError(`cannot write ${path}: ${why}.`, { cause: error })
}

/** The names in a folder, in no order. @throws {SnapshotError} when it cannot be read */
export async function namesIn(path: string): Promise<string[]> {
  try {
    return await readdir(path)
  } catch (error) {
    const code = systemCode(error)
    const why = CAUSES[code ?? ''] ?? `the system answered ${code}`
    throw new SnapshotError(`cannot read ${path}: ${why}.`, { cause: error })
  }
}

/** `ENOSPC`, `EACCES` … of a system error (or of its cause), else null. */
export function systemCode(error: unknown): string | null {
  for (let current = error, depth = 0; current instanceof Error && depth < 8; current = current.cause, depth++) {
    const { code, errno } = current as NodeJS.ErrnoException
    if (typeof code === 'string' && /^E[A-Z0-9]+$/.test(code)) return code
    if (lacksMemory(current)) return 'ENOMEM'
    // Node has no name for it.
    if (errno === -constants.errno.EDQUOT) return 'EDQUOT'
  }
  return null
}
