/** Fetching one file of known content: resumed after a cut, verified, visible under its name only when complete. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, rename, rm, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemCode } from './files.ts'
import type { Logger } from './logger.ts'
import { fetchFollowing } from './redirects.ts'

/** What the bytes must be: their SHA-256 (or MD5, where no more is published), or the SHA-1 that git gives a file of these bytes. Lower-case hex. */
export interface Digest {
  readonly kind: 'sha256' | 'md5' | 'git-sha1'
  readonly value: string
}

export interface RemoteFile {
  readonly url: string
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  /** For progress and messages: "CIFAR-10". */
  readonly label: string
  /** Sent with the request; `authorization` goes to the address's own host only. */
  readonly headers?: Readonly<Record<string, string>> | undefined
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
  readonly attempts?: number | undefined
  /** Pause before the second try; doubles each time, up to 30. Default 1. */
  readonly retrySeconds?: number | undefined
  /** A connection that brings no byte for so long is given up. Default 60. */
  readonly stallSeconds?: number | undefined
}

export interface DownloadTarget {
  /** Where the file appears. */
  readonly path: string
  /** What grows meanwhile and is resumed by a later call; in the same folder. Default: `path.part`. */
  readonly part?: string
  /** The class of error that the caller's users know. */
  readonly failure: new (message: string, options?: ErrorOptions) => Error
}

/** Another try may help. */
class Transient extends Error {}
/** The computer has no way to the address at all: one more try is enough. */
class Unreachable extends Transient {}

/**
 * @throws the target's `failure`, naming the address: not found, refused, unreachable, other content than expected, no space
 */
export async function download(file: RemoteFile, target: DownloadTarget, context: DownloadContext): Promise<void> {
  const { path, part = `${path}.part`, failure: Failure } = target
  const { logger, attempts = 5, retrySeconds = 1 } = context
  let fruitless = 0
  let restarted = false
  for (;;) {
    const before = await sizeOf(part)
    if (before === file.size) {
      if ((await digestOf(part, file)) === file.digest.value) break
      await rm(part, { force: true })
      // A part of an earlier run may have been damaged or another file: once from the beginning, then it is the address.
      if (restarted) {
        throw new Failure(
          `${file.label}: ${file.url} brought other bytes than expected (${names[file.digest.kind]} is not ` +
            `${file.digest.value}). Try again later, or fetch the file from another place.`,
        )
      }
      restarted = true
      logger.warn(`${file.label}: the download has a wrong checksum; starting again`)
      continue
    }
    if (before > file.size) await rm(part, { force: true })
    try {
      await fetchInto(part, before > file.size ? 0 : before, file, Failure, context)
      fruitless = 0
    } catch (error) {
      context.signal?.throwIfAborted()
      if (!(error instanceof Transient)) throw error
      fruitless = (await sizeOf(part)) > before ? 1 : fruitless + 1
      if (fruitless >= (error instanceof Unreachable ? Math.min(2, attempts) : attempts)) {
        const kept = await sizeOf(part)
        const advice =
          kept > 0
            ? `The ${kept} of ${file.size} bytes that came are kept in ${part}: run the same command again to go on from there, or`
            : 'Run the same command again later, or'
        throw new Failure(
          `${file.label}: cannot download ${file.url}: ${error.message}. ${advice} fetch the file in another way and put it at ${path}.`,
          { cause: error },
        )
      }
      const pause = Math.min(30, retrySeconds * 2 ** (fruitless - 1))
      logger.warn(`${file.label}: ${error.message}; trying again in ${pause} s`)
      await sleep(pause * 1000, undefined, context.signal ? { signal: context.signal } : {})
    }
  }
  await rename(part, path)
}

/** One connection; appends to `part` from `offset`. */
async function fetchInto(
  part: string,
  offset: number,
  file: RemoteFile,
  Failure: DownloadTarget['failure'],
  context: DownloadContext,
): Promise<void> {
  const stalled = new AbortController()
  const wait = (context.stallSeconds ?? 60) * 1000
  let timer = setTimeout(() => stalled.abort(), wait)
  const signal = context.signal ? AbortSignal.any([context.signal, stalled.signal]) : stalled.signal
  let output: FileHandle | null = null
  try {
    const range = offset > 0 ? { range: `bytes=${offset}-` } : {}
    const headers = { 'accept-encoding': 'identity', ...file.headers, ...range }
    const response = await fetchFollowing(file.url, { headers, signal })
    let received = startOf(response, offset, file, Failure)
    output = await open(part, received > 0 ? 'a' : 'w')
    for await (const chunk of response.body ?? []) {
      clearTimeout(timer)
      timer = setTimeout(() => stalled.abort(), wait)
      const bytes = chunk as Uint8Array
      received += bytes.length
      if (received > file.size) {
        throw new Failure(`${file.label}: ${file.url} brought more than the expected ${file.size} bytes.`)
      }
      await output.write(bytes)
      context.progress?.({ received, total: file.size, label: file.label })
    }
    await output.sync()
    if (received < file.size) throw new Transient(`the connection ended after ${received} of ${file.size} bytes`)
  } catch (error) {
    if (error instanceof Transient || error instanceof Failure) throw error
    context.signal?.throwIfAborted()
    if (stalled.signal.aborted) throw new Transient(`no byte came for ${wait / 1000} s`)
    throw classify(error, file, part, Failure)
  } finally {
    clearTimeout(timer)
    await output?.close()
  }
}

/** Where the body starts; throws for answers without the file. */
function startOf(response: Response, offset: number, file: RemoteFile, Failure: DownloadTarget['failure']): number {
  const { status } = response
  if (status === 206) {
    const range = response.headers.get('content-range') ?? ''
    if (range.startsWith(`bytes ${offset}-`)) return offset
    void response.body?.cancel().catch(() => undefined)
    throw new Transient(`the server sent another range (${range})`)
  }
  if (status === 200) return 0
  void response.body?.cancel().catch(() => undefined)
  if (isBusy(status)) throw new Transient(`the server answered ${status}`)
  throw new Failure(`${file.label}: cannot download ${file.url}: the server answered ${status}.`)
}

/** Answers after which another try may help. */
export function isBusy(status: number): boolean {
  return status === 408 || status === 429 || status >= 500
}

const NO_WAY = new Set(['ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED', 'ENETUNREACH', 'EHOSTUNREACH', 'ENETDOWN'])
const DISK = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EPERM', 'EIO'])

/** Why a connection failed, in words; `unreachable` when there is no way to the address at all. */
export function connectionProblem(error: unknown): { readonly why: string; readonly unreachable: boolean } {
  const code = systemCode(error)
  const why = code ?? (error instanceof Error ? error.message : String(error))
  const unreachable = code !== null && NO_WAY.has(code)
  return { why: unreachable ? `the address cannot be reached (${why})` : `the connection failed (${why})`, unreachable }
}

function classify(error: unknown, file: RemoteFile, part: string, Failure: DownloadTarget['failure']): Error {
  const code = systemCode(error)
  if (code !== null && DISK.has(code)) {
    const need = Math.ceil(file.size / 1e6)
    return new Failure(`${file.label}: cannot write ${part} (${code}; the download needs ${need} MB).`, {
      cause: error,
    })
  }
  const { why, unreachable } = connectionProblem(error)
  return unreachable ? new Unreachable(why) : new Transient(why)
}

const names = { sha256: 'SHA-256', md5: 'MD5', 'git-sha1': 'git’s SHA-1' } as const

async function digestOf(path: string, { digest, size }: RemoteFile): Promise<string> {
  const hash = createHash(digest.kind === 'git-sha1' ? 'sha1' : digest.kind)
  if (digest.kind === 'git-sha1') hash.update(`blob ${size}\0`)
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}

/** Whether `path` has the bytes of the remote file. */
export async function isFile(path: string, file: RemoteFile): Promise<boolean> {
  return (await sizeOf(path)) === file.size && (await digestOf(path, file)) === file.digest.value
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    (info) => info.size,
    () => 0,
  )
}
