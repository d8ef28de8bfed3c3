/**
 * The cache folder of Python's huggingface_hub, shared with it:
 *
 *   models--org--name/blobs/<etag>                  the bytes
 *   models--org--name/refs/<revision>               the commit that a branch or tag was last seen at
 *   models--org--name/snapshots/<commit>/<file>     a relative link to its blob
 *   .locks/models--org--name/<etag>.lock            held while that blob is fetched
 */
import { randomBytes } from 'node:crypto'
import { copyFile, mkdir, readFile, rename, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { systemCode } from '../../util/files.ts'
import { isCommit } from './address.ts'
import type { HubAddress } from './address.ts'

export class RepositoryCache {
  readonly folder: string
  readonly locks: string

  constructor(cache: string, repo: string) {
    const name = ['models', ...repo.split('/')].join('--')
    this.folder = join(cache, name)
    this.locks = join(cache, '.locks', name)
  }

  blob(etag: string): string {
    return join(this.folder, 'blobs', etag)
  }

  /** Where a file of a commit is to be found; also of a branch, for files that were put there by hand. */
  pointer(revision: string, file: string): string {
    return join(this.folder, 'snapshots', revision, file)
  }

  /** The file as it was last seen at that revision, or null. */
  async find({ revision }: HubAddress, file: string): Promise<string | null> {
    for (const commit of isCommit(revision) ? [revision] : [await this.ref(revision), revision]) {
      const path = commit === null ? null : this.pointer(commit, file)
      if (path !== null && (await sizeOf(path)) !== null) return path
    }
    return null
  }

  async ref(revision: string): Promise<string | null> {
    const commit = await readFile(join(this.folder, 'refs', revision), 'utf8').catch(() => '')
    return isCommit(commit.trim()) ? commit.trim() : null
  }

  /** Remembers the commit of a branch or tag; written beside and renamed, and only when it changed: the cache may be read-only. */
  async setRef(revision: string, commit: string): Promise<void> {
    if (revision === commit || (await this.ref(revision)) === commit) return
    const path = join(this.folder, 'refs', revision)
    const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`
    await mkdir(dirname(path), { recursive: true })
    await writeFile(temporary, commit)
    await rename(temporary, path)
  }

  /** Makes `snapshots/<commit>/<file>` for a blob that is there. @returns its path */
  async link(commit: string, file: string, etag: string): Promise<string> {
    const path = this.pointer(commit, file)
    await mkdir(dirname(path), { recursive: true })
    try {
      await symlink(relative(dirname(path), this.blob(etag)), path)
    } catch (error) {
      const code = systemCode(error)
      // Another process was faster; or the file system has no links, and the file is there twice.
      if (code !== 'EEXIST') await copyFile(this.blob(etag), path)
    }
    return path
  }
}

/** Bytes of a regular file (through links), or null. */
export async function sizeOf(path: string): Promise<number | null> {
  const info = await stat(path).catch(() => null)
  return info?.isFile() ? info.size : null
}
