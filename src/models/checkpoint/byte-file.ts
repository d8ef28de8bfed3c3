/** Small reads at places of a file that may be damaged: every read is checked against the size the file has. */
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { SnapshotError } from '../../util/errors.ts'
import { systemCode } from '../../util/files.ts'

export class ByteFile {
  readonly path: string
  readonly size: number
  readonly #handle: FileHandle

  private constructor(path: string, size: number, handle: FileHandle) {
    this.path = path
    this.size = size
    this.#handle = handle
  }

  /** @throws {SnapshotError} when it cannot be opened or is no regular file */
  static async open(path: string): Promise<ByteFile> {
    let handle: FileHandle | null = null
    try {
      handle = await open(path, 'r')
      const info = await handle.stat()
      if (info.isFile()) return new ByteFile(path, info.size, handle)
    } catch (error) {
      await handle?.close()
      const code = systemCode(error)
      const why = code === 'ENOENT' ? 'there is no such file' : `cannot be opened (${code ?? String(error)})`
      throw new SnapshotError(`${path}: ${why}. Check the path.`, { cause: error })
    }
    await handle.close()
    throw new SnapshotError(`${path}: expected a file of weights, but it is not a regular file.`)
  }

  /** Exactly `count` bytes from `offset` on. @throws {SnapshotError} when the file does not have them */
  async read(offset: number, count: number): Promise<Buffer> {
    if (!(offset >= 0 && count >= 0 && count <= this.size - offset)) this.fail(`it ends at byte ${this.size}`)
    const buffer = Buffer.allocUnsafe(count)
    for (let done = 0; done < count;) {
      const { bytesRead } = await this.#handle.read(buffer, done, count - done, offset + done)
      if (bytesRead === 0) this.fail(`it ended at byte ${offset + done} while it was read`)
      done += bytesRead
    }
    return buffer
  }

  fail(why: string): never {
    throw new SnapshotError(`${this.path}: ${why}. The file is damaged or cut off; copy or download it again.`)
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }
}
