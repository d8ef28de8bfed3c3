/**
 * Sends a run to the server beside the training: lines and summary in batches, with tries again for as long as the training goes on. It
 * never throws and nobody waits for it but the end of the run, and that not for long.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../../util/logger.ts'
import { RefusedError, type RemoteRun, type RunRequest, type StreamRequest, type WandbClient } from './client.ts'
import { joinJson, type JsonItems } from './records.ts'

export interface UploaderOptions {
  readonly client: WandbClient
  readonly run: RunRequest
  readonly logger: Logger
  /** the file with all that is sent, for messages */
  readonly path: string
  /** rows that were recorded before */
  readonly restored: readonly JsonItems[]
  /** rows stand behind those that the server has, not among them */
  readonly isAppended: boolean
  /** from one batch to the next. Default 15,000 */
  readonly intervalMs?: number
  /** before the second try; doubles up to a minute. Default 2,000 */
  readonly retryMs?: number
  /** the end of a run waits so long for a server that answers. Default 30,000; a sixth of it for each answer */
  readonly patienceMs?: number
}

/** Of one request; W&B's limit is 10 MiB. */
const mostBytes = 4 << 20
const heartbeats = 2 // batches without news before one is sent all the same

export class WandbUploader {
  readonly #options: UploaderOptions
  readonly #stop = new AbortController()
  readonly #done: Promise<void>
  /** rows that were not sent, from row `#from` on */
  #rows: JsonItems[]
  #from = 0
  /** rows before this one are on their way, or may be there already; none that took another's place since */
  #underway: number
  #summary: JsonItems | null = null
  #stepMetrics: Readonly<Record<string, string>>
  #isRenewed = false
  #exitCode: number | null = null
  #failures = 0
  /** of performance.now */
  #answeredAt = 0
  #isComplete = false
  #isRefused = false
  /** rows that a server that refused will never have */
  #lost = 0
  #wake: () => void = () => undefined

  constructor(options: UploaderOptions) {
    this.#options = options
    this.#rows = [...options.restored]
    this.#underway = this.#rows.length
    this.#stepMetrics = options.run.stepMetrics
    this.#done = this.#run()
  }

  row(items: JsonItems): void {
    if (this.#isRefused) this.#lost++
    else this.#rows.push(items)
  }

  /** Rows from `count` on are taken back; those that were sent already are overwritten by what comes. */
  cut(count: number): void {
    this.#underway = Math.min(this.#underway, count)
    if (count >= this.#from) this.#rows.length = Math.min(this.#rows.length, count - this.#from)
    else {
      this.#rows = []
      this.#from = count
    }
  }

  summarize(summary: JsonItems): void {
    this.#summary = summary
  }

  /** Charts of another phase have an axis of their own. */
  setStepMetrics(stepMetrics: Readonly<Record<string, string>>): void {
    this.#stepMetrics = stepMetrics
    this.#isRenewed = true
  }

  /** Sends what is left. @returns whether the server has everything, and otherwise how many rows it lacks */
  async finish(exitCode: number): Promise<{ readonly isComplete: boolean; readonly unsent: number }> {
    const { patienceMs = 30_000 } = this.#options
    this.#exitCode = exitCode
    this.#wake()
    const started = performance.now()
    const over = new AbortController()
    const done = this.#done.then(() => over.abort())
    while (!over.signal.aborted) {
      const until = Math.min(started + patienceMs, Math.max(started, this.#answeredAt) + patienceMs / 6)
      if (until <= performance.now()) break
      await sleep(until - performance.now(), null, { signal: over.signal }).catch(() => undefined)
    }
    this.#stop.abort()
    await done
    return { isComplete: this.#isComplete, unsent: this.#rows.length + this.#lost }
  }

  async #run(): Promise<void> {
    const { client, run, logger } = this.#options
    try {
      const remote = await this.#insist(() =>
        client.upsertRun({ ...run, stepMetrics: this.#stepMetrics }, this.#stop.signal),
      )
      if (remote === null) return
      logger.info(`Weights & Biases: ${client.pageOf(remote)}`)
      const base = this.#options.isAppended ? remote.historyLines : 0
      if (!this.#options.isAppended) this.#acknowledge(Math.min(remote.historyLines, this.#underway))
      await this.#follow(remote, base)
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#refused(error)
    }
  }

  /** @param base line of the server's history that row 0 is */
  async #follow(remote: RemoteRun, base: number): Promise<void> {
    const { client, run, intervalMs = 15_000 } = this.#options
    for (let quiet = 0; ; quiet++) {
      await this.#pause(intervalMs)
      if (this.#isRenewed) {
        this.#isRenewed = false
        const renewed = { ...run, stepMetrics: this.#stepMetrics }
        if ((await this.#insist(() => client.upsertRun(renewed, this.#stop.signal))) === null) return
      }
      for (;;) {
        const batch = this.#batch(base, quiet >= heartbeats)
        if (batch === null) break
        this.#underway = this.#from + batch.rows
        if (
          (await this.#insist(() => client.stream(remote, batch.request, this.#stop.signal).then(() => true))) === null
        )
          return
        quiet = 0
        this.#acknowledge(this.#underway)
        if (this.#summary === batch.summary) this.#summary = null
        if (batch.request.complete === true) {
          this.#isComplete = true
          return
        }
      }
    }
  }

  /** What is to be sent next; null: nothing. */
  #batch(base: number, isHeartbeat: boolean) {
    const lines: string[] = []
    let bytes = 0
    for (const [index, items] of this.#rows.entries()) {
      const line = joinJson({ ...items, _step: String(base + this.#from + index) })
      bytes += line.length
      if (lines.length > 0 && bytes > mostBytes) break
      lines.push(line)
    }
    const summary = this.#summary
    const isLast = this.#exitCode !== null && lines.length === this.#rows.length
    if (lines.length === 0 && summary === null && !isLast && !isHeartbeat) return null
    const files = {
      ...(lines.length === 0 ? {} : { 'wandb-history.jsonl': { offset: base + this.#from, content: lines } }),
      ...(summary === null ? {} : { 'wandb-summary.json': { offset: 0, content: [joinJson(summary)] } }),
    }
    const request: StreamRequest = {
      ...(Object.keys(files).length === 0 ? {} : { files }),
      ...(isLast ? { complete: true, exitcode: this.#exitCode ?? 0 } : {}),
    }
    return { request, rows: lines.length, summary }
  }

  /** The rows before `end` are on the server. */
  #acknowledge(end: number): void {
    if (end <= this.#from) return
    this.#rows.splice(0, end - this.#from)
    this.#from = end
  }

  /** Tries until the server answers. @returns null when the run ends before; @throws {RefusedError} when it says no */
  async #insist<T>(request: () => Promise<T>): Promise<T | null> {
    const { client, logger, path, retryMs = 2000 } = this.#options
    for (;;) {
      try {
        const answer = await request()
        if (this.#failures > 0) logger.info(`Weights & Biases: ${client.baseUrl} answers again`)
        this.#failures = 0
        this.#answeredAt = performance.now()
        return answer
      } catch (error) {
        if (this.#stop.signal.aborted) return null
        if (error instanceof RefusedError) throw error
        if (this.#failures++ === 0)
          logger.warn(
            `Weights & Biases: ${client.baseUrl} cannot be reached (${reasonOf(error)}). The training goes on, ${path} records ` +
              'everything, and it is sent when the server answers again.',
          )
        await this.#pause(Math.min(60_000, retryMs * 2 ** (this.#failures - 1)))
      }
    }
  }

  /** Ends early when the run does: the first time, for one more try at once. */
  async #pause(ms: number): Promise<void> {
    if (this.#exitCode !== null && this.#failures === 0) return
    const woken = new AbortController()
    const isEnding = this.#exitCode !== null
    if (!isEnding) this.#wake = () => woken.abort()
    const signal = AbortSignal.any([woken.signal, this.#stop.signal])
    await sleep(ms, null, { signal, ref: false }).catch(() => undefined)
  }

  #refused(error: unknown): void {
    this.#isRefused = true
    this.#lost = this.#rows.splice(0).length
    const { client, logger, path } = this.#options
    logger.warn(
      `Weights & Biases: ${client.baseUrl} refused (${reasonOf(error)}). Nothing more is sent; the training goes on, and ${path} records ` +
        'everything. Check WANDB_API_KEY, logging.wandb.entity and project.',
    )
  }
}

/** fetch hides why it failed in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? error.cause.message || error.message : error.message
}
