/** Fetching one file of known content: resumed after a cut, verified, visible under its name only when complete. */
import { open, rename, rm, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { DatasetError } from '../util/errors.ts'
import { sha256OfFile, systemCode } from '../util/files.ts'
import type { Logger } from '../util/logger.ts'

export interface RemoteFile {
  readonly url: string
  /** Lower-case hex. */
  readonly sha256: string
  /** Bytes. */
  readonly size: number
  /** For progress and messages: "CIFAR-10". */
  readonly label: string
}

export interface DownloadProgress {
  readonly received: number
  readonly total: number
  readonly label: string
}

export interface DownloadContext {
  readonly logger: Logger
  readonly signal?: AbortSignal | undefined
  readonly progress?: ((progress: DownloadProgress) => void) | undefined
  /** Tries in a row without a new byte before giving up. Default 5. */
  readonly attempts?: number
  /** Pause before the second try; doubles each time, up to 30. Default 1. */
  readonly retrySeconds?: number
  /** A connection that brings no byte for so long is given up. Default 60. */
  readonly stallSeconds?: number
}

/** Another try may help. */
class Transient extends Error {}
/** The computer has no way to the address at all: one more try is enough. */
class Unreachable extends Transient {}

/**
 * Downloads to `path` by way of `path.part`, which a later call resumes.
 *
 * @throws {DatasetError} naming the address: not found, refused, unreachable, other content than expected, no space
 */
export async function download(file: RemoteFile, path: string, context: DownloadContext): Promise<void> {
  const part = `${path}.part`
  const { logger, attempts = 5, retrySeconds = 1 } = context
  let fruitless = 0
  let restarted = false
  for (;;) {
    const before = await sizeOf(part)
    if (before === file.size) {
      if ((await sha256OfFile(part)) === file.sha256) break
      await rm(part, { force: true })
      // A part of an earlier run may have been damaged or another file: once from the beginning, then it is the address.
      if (restarted) {
        throw new DatasetError(
          `${file.label}: ${file.url} brought other bytes than expected (SHA-256 is not ${file.sha256}). ` +
            'Try again later, or fetch the file from another place.',
        )
      }
      restarted = true
      logger.warn(`${file.label}: the download has a wrong checksum; starting again`)
      continue
    }
    if (before > file.size) await rm(part, { force: true })
    try {
      await fetchInto(part, before > file.size ? 0 : before, file, context)
      fruitless = 0
    } catch (error) {
      context.signal?.throwIfAborted()
      if (!(error instanceof Transient)) throw error
      fruitless = (await sizeOf(part)) > before ? 1 : fruitless + 1
      if (fruitless >= (error instanceof Unreachable ? Math.min(2, attempts) : attempts)) {
        throw new DatasetError(`${file.label}: cannot download ${file.url}: ${error.message}.`, { cause: error })
      }
      const pause = Math.min(30, retrySeconds * 2 ** (fruitless - 1))
      logger.warn(`${file.label}: ${error.message}; trying again in ${pause} s`)
      await sleep(pause * 1000, undefined, context.signal ? { signal: context.signal } : {})
    }
  }
  await rename(part, path)
}

/** One connection; appends to `part` from `offset`. */
async function fetchInto(part: string, offset: number, file: RemoteFile, context: DownloadContext): Promise<void> {
  const stalled = new AbortController()
  const wait = (context.stallSeconds ?? 60) * 1000
  let timer = setTimeout(() => stalled.abort(), wait)
  const signal = context.signal ? AbortSignal.any([context.signal, stalled.signal]) : stalled.signal
  let output: FileHandle | null = null
  try {
    const response = await fetch(file.url, { signal, headers: offset > 0 ? { range: `bytes=${offset}-` } : {} })
    let received = startOf(response, offset, file)
    output = await open(part, received > 0 ? 'a' : 'w')
    for await (const chunk of response.body ?? []) {
      clearTimeout(timer)
      timer = setTimeout(() => stalled.abort(), wait)
      const bytes = chunk as Uint8Array
      received += bytes.length
      if (received > file.size) {
        throw new DatasetError(`${file.label}: ${file.url} brought more than the expected ${file.size} bytes.`)
      }
      await output.write(bytes)
      context.progress?.({ received, total: file.size, label: file.label })
    }
    await output.sync()
    if (received < file.size) throw new Transient(`the connection ended after ${received} of ${file.size} bytes`)
  } catch (error) {
    if (error instanceof Transient || error instanceof DatasetError) throw error
    context.signal?.throwIfAborted()
    if (stalled.signal.aborted) throw new Transient(`no byte came for ${wait / 1000} s`)
    throw classify(error, file, part)
  } finally {
    clearTimeout(timer)
    await output?.close()
  }
}

/** Where the body starts; throws for answers without the file. */
function startOf(response: Response, offset: number, file: RemoteFile): number {
  const { status } = response
  if (status === 206) {
    const range = response.headers.get('content-range') ?? ''
    if (!range.startsWith(`bytes ${offset}-`)) throw new Transient(`the server sent another range (${range})`)
    return offset
  }
  if (status === 200) return 0
  void response.body?.cancel().catch(() => undefined)
  if (status === 408 || status === 429 || status >= 500) throw new Transient(`the server answered ${status}`)
  throw new DatasetError(`${file.label}: cannot download ${file.url}: the server answered ${status}.`)
}

const NO_WAY = new Set(['ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED', 'ENETUNREACH', 'EHOSTUNREACH', 'ENETDOWN'])
const DISK = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EPERM', 'EIO'])

function classify(error: unknown, file: RemoteFile, part: string): Error {
  const code = systemCode(error)
  if (code !== null && DISK.has(code)) {
    const need = Math.ceil(file.size / 1e6)
    return new DatasetError(`${file.label}: cannot write ${part} (${code}; the download needs ${need} MB).`, {
      cause: error,
    })
  }
  const why = code ?? (error instanceof Error ? error.message : String(error))
  if (code !== null && NO_WAY.has(code)) return new Unreachable(`the address cannot be reached (${why})`)
  return new Transient(`the connection failed (${why})`)
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    (info) => info.size,
    () => 0,
  )
}
