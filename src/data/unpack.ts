/** Unpacking an archive that may be hostile: files and folders only, bounded, into a folder of its own. */
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { x as extract } from 'tar'
import { DatasetError } from '../util/errors.ts'

export interface UnpackLimits {
  readonly entries: number
  /** Of the unpacked files together. */
  readonly bytes: number
}

/**
 * Unpacks the top folder `name` of a tar (plain or gzip) archive to `directory/name`.
 *
 * Everything lands in a temporary folder first and is moved when it is whole and `verify` accepted it. Where `directory/name`
 * exists already, its files are replaced one by one.
 *
 * @param verify called with the unpacked folder; throws to refuse it
 * @throws {DatasetError} for links, devices, too much, damage, or a missing top folder; nothing is left behind then
 */
export async function unpack(
  archive: string,
  directory: string,
  name: string,
  limits: UnpackLimits,
  verify: (folder: string) => Promise<void>,
): Promise<void> {
  const temporary = await mkdtemp(join(directory, '.unpack-'))
  try {
    // node-tar: an exception inside `filter` escapes as an uncaught one and ends the process, hence the flag.
    let refused: string | null = null
    let entries = 0
    let bytes = 0
    const filter = (path: string, entry: unknown): boolean => {
      const { type, size = 0 } = entry as { type?: string; size?: number }
      entries++
      bytes += size
      if (type !== 'File' && type !== 'OldFile' && type !== 'Directory')
        refused ??= `"${path}" is a ${type}, not a file or folder`
      else if (entries > limits.entries) refused ??= `it has more than ${limits.entries} entries`
      else if (bytes > limits.bytes) refused ??= `it unpacks to more than ${limits.bytes} bytes`
      return refused === null
    }
    try {
      await extract({ file: archive, cwd: temporary, filter, strict: true, preserveOwner: false, noMtime: true })
    } catch (error) {
      throw new DatasetError(
        `${archive}: the archive cannot be unpacked (${String(error)}). Remove it and run again.`,
        {
          cause: error,
        },
      )
    }
    if (refused !== null) throw new DatasetError(`${archive}: the archive is refused because ${refused as string}.`)
    const folder = join(temporary, name)
    if (!(await stat(folder).catch(() => null))?.isDirectory()) {
      throw new DatasetError(`${archive}: expected the folder ${name} in the archive but it is not there.`)
    }
    await verify(folder)
    await moveInto(folder, join(directory, name))
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
}

async function moveInto(from: string, to: string): Promise<void> {
  if (!(await stat(to).catch(() => null))) return rename(from, to)
  for (const entry of await readdir(from, { withFileTypes: true })) {
    if (entry.isDirectory())
      await mkdir(join(to, entry.name), { recursive: true }).then(() =>
        moveInto(join(from, entry.name), join(to, entry.name)),
      )
    else await rename(join(from, entry.name), join(to, entry.name))
  }
}
