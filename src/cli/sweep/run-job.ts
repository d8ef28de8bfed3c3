/** Runs a job in a process of its own, so that whatever it does to itself is a failed trial and not a failed sweep. */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { EpochRecord } from '../../tracking/index.ts'
import type { Failure } from '../../sweep/index.ts'
import type { TrialJob, TrialMessage } from './messages.ts'

export type JobOutcome =
  | { readonly kind: 'finished'; readonly metrics: Readonly<Record<string, number>> }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'failed'; readonly failure: Failure }
  /** the disk is full or read-only: no trial can run now */
  | { readonly kind: 'disk'; readonly message: string }

export interface JobOptions {
  /** asks the process to stop after its step */
  readonly signal: AbortSignal
  readonly onEpoch?: (record: EpochRecord, isLast: boolean) => void
}

/** Seconds between the request to stop and the end by force. */
const GRACE_MS = 20_000

export async function runJob(job: TrialJob, { signal, onEpoch }: JobOptions): Promise<JobOutcome> {
  const own = import.meta.url
  const program = fileURLToPath(new URL(`trial-process${own.slice(own.lastIndexOf('.'))}`, own))
  const child = fork(program, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
  let outcome: JobOutcome | null = null
  let errors = ''
  let force: NodeJS.Timeout | undefined
  child.stderr?.on('data', (data: Buffer) => (errors = (errors + data.toString()).slice(-2000)))
  child.on('message', (message: TrialMessage) => {
    if (message.kind === 'epoch') onEpoch?.(message.record, message.isLast)
    else if (message.kind === 'error')
      outcome =
        message.failure === 'disk'
          ? { kind: 'disk', message: message.message }
          : { kind: 'failed', failure: { kind: message.failure, message: message.message } }
    else if (message.outcome === 'interrupted') outcome = { kind: 'stopped' }
    else outcome = { kind: 'finished', metrics: message.metrics }
  })
  const onAbort = (): void => {
    child.kill('SIGTERM')
    force = setTimeout(() => child.kill('SIGKILL'), GRACE_MS)
  }
  return new Promise((resolve) => {
    const end = (fallback: JobOutcome): void => {
      clearTimeout(force)
      signal.removeEventListener('abort', onAbort)
      resolve(outcome ?? (signal.aborted ? { kind: 'stopped' } : fallback))
    }
    child.once('error', (error) => end(crashed(error.message)))
    child.once('close', (code, name) => {
      const how = name === null ? `its process ended with exit code ${code}` : `its process was ended by ${name}`
      const hint = name === 'SIGKILL' ? ' (out of memory?)' : ''
      end(crashed(`${how}${hint}${errors === '' ? '' : `: ${errors.trim()}`}`, name === 'SIGKILL'))
    })
    signal.addEventListener('abort', onAbort, { once: true })
    child.send(job)
    if (signal.aborted) onAbort()
  })
}

function crashed(message: string, killed = false): JobOutcome {
  return { kind: 'failed', failure: { kind: killed ? 'out-of-memory' : 'crash', message } }
}
