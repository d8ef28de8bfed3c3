/** One batch size of batch-find: the same command again, in a process of its own whose memory is watched. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { BatchTrial } from '../train/index.ts'
import { BindingError, ConfigError, DatasetError, SnapshotError } from '../util/errors.ts'
import { exitCodes } from './exit-codes.ts'

/** What the process prints. */
export interface TrialReport {
  readonly device: string
  /** null: nothing was measured */
  readonly batch_size: number
  readonly images_per_second: number
  readonly peak_bytes: number
  /** what was free before it began; of a GPU, else null */
  readonly free_bytes: number | null
}

export interface TrialOptions {
  /** of the command, without --size */
  readonly args: readonly string[]
  /** bytes; null takes nine tenths of what a GPU had free */
  readonly limit: number | null
  /** a folder for what the process makes; the caller removes it */
  readonly folder: string
  readonly signal: AbortSignal
}

/** How often a process is looked at. */
const interval = 50

/** What of the free memory may be taken. */
export const usable = 0.9

/**
 * @returns what was measured, and whether it fits
 * @throws what the process failed with, when that was not for lack of memory
 */
export async function tryBatchSize(
  size: number,
  options: TrialOptions,
): Promise<{ trial: BatchTrial; report: TrialReport | null }> {
  const { limit } = options
  const { code, killed, exceeded, stdout, stderr } = await runTrial(size, options)
  options.signal.throwIfAborted()
  const failed = (why: string): BatchTrial => ({
    ...{ batchSize: size, fits: false, peakBytes: null, imagesPerSecond: null },
    why,
  })
  if (exceeded !== null)
    return { trial: { ...failed(`needs more than ${gibibytes(limit ?? 0)}`), peakBytes: exceeded }, report: null }
  if (killed) return { trial: failed('the system ended the process'), report: null }
  if (code === exitCodes.outOfMemory) return { trial: failed('out of memory'), report: null }
  const answer = parsed(stdout)
  if (code !== exitCodes.ok || answer === null) throw failure(answer, code, stderr)
  const report = answer as unknown as TrialReport
  const most = limit ?? usable * (report.free_bytes ?? Infinity)
  const fits = report.peak_bytes <= most
  const trial = {
    batchSize: report.batch_size,
    fits,
    peakBytes: report.peak_bytes,
    imagesPerSecond: report.images_per_second,
    why: fits ? null : `needs more than ${gibibytes(most)}`,
  }
  return { trial, report }
}

interface Ended {
  readonly code: number | null
  /** by a signal that is not ours */
  readonly killed: boolean
  /** bytes that it had when it was ended for them */
  readonly exceeded: number | null
  readonly stdout: string
  readonly stderr: string
}

function runTrial(size: number, { args, limit, folder, signal }: TrialOptions): Promise<Ended> {
  const [, main = ''] = process.argv
  const own = ['batch-find', ...args, '--size', String(size), '--json', '--quiet']
  const child = spawn(process.execPath, [...process.execArgv, main, ...own], {
    env: { ...process.env, TMPDIR: folder, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: false,
  })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  let exceeded: number | null = null
  const watch = setInterval(() => {
    const bytes = limit === null || child.pid === undefined ? null : residentBytes(child.pid)
    if (bytes === null || bytes <= (limit ?? Infinity)) return
    exceeded = bytes
    child.kill('SIGKILL')
  }, interval)
  const onAbort = (): boolean => child.kill('SIGKILL')
  signal.addEventListener('abort', onAbort, { once: true })
  return new Promise<Ended>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, by) =>
      resolve({ code, killed: by === 'SIGKILL' && exceeded === null, exceeded, stdout, stderr }),
    )
  }).finally(() => {
    clearInterval(watch)
    signal.removeEventListener('abort', onAbort)
  })
}

/** Of a process, where the system tells (Linux); elsewhere the process's own report alone decides. */
function residentBytes(pid: number): number | null {
  try {
    const pages = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
    return pages === null ? null : Number(pages[1]) * 1024
  } catch {
    return null
  }
}

function parsed(text: string): Record<string, unknown> | null {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return null
  }
}

/** The same error here as there. */
function failure(answer: Record<string, unknown> | null, code: number | null, stderr: string): Error {
  const { message = null } = (answer?.['error'] ?? {}) as { message?: string }
  const text = message ?? `batch-find: the measuring process ended with code ${String(code)}: ${stderr.slice(-2000)}`
  if (code === exitCodes.usage) return new ConfigError(text)
  if (code === exitCodes.data) return new DatasetError(text)
  return (answer?.['error'] as { name?: string } | undefined)?.name === 'SnapshotError'
    ? new SnapshotError(text)
    : new BindingError(text)
}

export function gibibytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(2)} GiB`
}
