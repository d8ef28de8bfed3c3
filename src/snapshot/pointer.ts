/** `best` and `last`: relative symbolic links that are swapped by rename; plain files with the name where links are refused. */
import { randomBytes } from 'node:crypto'
import { lstat, readFile, readlink, rename, rm, symlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { syncDirectory, systemCode, writeFileAtomic } from '../util/files.ts'

export type PointerName = 'best' | 'last'

/** Makes `pointer` in `folder` name `target` (an entry of the same folder); readers see the old or the new one, never none. */
export async function setPointer(folder: string, pointer: PointerName, target: string): Promise<void> {
  const temporary = join(folder, `.tmp-${pointer}-${process.pid}-${randomBytes(4).toString('hex')}`)
  try {
    await symlink(target, temporary, 'dir')
    await rename(temporary, join(folder, pointer))
  } catch (error) {
    await rm(temporary, { force: true })
    if (!['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EISDIR'].includes(systemCode(error) ?? '')) throw error
    await writeFileAtomic(join(folder, pointer), `${target}\n`)
  }
  await syncDirectory(folder)
}

/** The entry that `pointer` names, or null when there is no such pointer. */
export async function readPointer(folder: string, pointer: PointerName): Promise<string | null> {
  const path = join(folder, pointer)
  try {
    const target = (await lstat(path)).isSymbolicLink() ? await readlink(path) : await readFile(path, 'utf8')
    return basename(target.trim())
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes(systemCode(error) ?? '')) return null
    throw error
  }
}
