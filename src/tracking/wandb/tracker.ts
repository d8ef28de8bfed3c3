/**
 * Weights & Biases as a copy of what a run measures. Nothing here may stop or slow down a training: what the disk or the server refuses is said
 * once, kept, and tried again.
 */
import { hostname } from 'node:os'
import { join, relative } from 'node:path'
import type { Logger } from '../../util/logger.ts'
import { packageVersion } from '../../util/package-root.ts'
import { withoutSecrets } from '../../util/secrets.ts'
import { WandbClient } from './client.ts'
import { findCredentials, type Credentials } from './credentials.ts'
import type { WandbOptions } from './options.ts'
import { toWandbJson, type JsonItems } from './records.ts'
import { stepMetricOf, WandbRunFile, type RowPlace, type RunDescription } from './run-file.ts'
import { WandbUploader, type UploaderOptions } from './uploader.ts'

/** The run that is recorded. */
export interface TrackedRun {
  readonly name: string
  /** holds wandb/ */
  readonly root: string
  /** logs/<run>; wandb.json there remembers the run's id */
  readonly logs: string
}

export interface WandbTrackerOptions {
  /** the whole configuration, by key as it is written; secrets are taken out */
  readonly config: Readonly<Record<string, unknown>>
  readonly logger: Logger
  readonly upload?: Pick<UploaderOptions, 'intervalMs' | 'retryMs' | 'patienceMs'>
}

type Numbers = Readonly<Record<string, number | null>>

export class WandbTracker {
  readonly #options: WandbOptions
  readonly #setting: WandbTrackerOptions
  readonly #credentials: Credentials | null
  #file: WandbRunFile | null = null
  #uploader: WandbUploader | null = null
  readonly #stepMetrics: Record<string, string> = {}
  #isRefused = false
  #summary: JsonItems = {}

  /** @throws {ConfigError} in mode online, when there is no key */
  constructor(options: WandbOptions, setting: WandbTrackerOptions) {
    this.#options = options
    this.#setting = setting
    this.#credentials = options.mode === 'online' ? findCredentials() : null
  }

  get logEverySteps(): number {
    return this.#options.logEverySteps
  }

  /** Makes the run's folder, or goes on with it. */
  begin(run: TrackedRun): void {
    const { mode, project, runName, entity } = this.#options
    const { config, logger, upload } = this.#setting
    const producer = `trivium/${packageVersion()}`
    const description: RunDescription = {
      entity,
      project: project ?? 'uncategorized',
      displayName: runName ?? run.name,
      producer,
      config: jsonOf(withoutSecrets(config) as Readonly<Record<string, unknown>>),
    }
    this.#guard(() => {
      this.#file = WandbRunFile.open({ root: run.root, memory: join(run.logs, 'wandb.json'), mode, description })
    }, 'The training goes on; nothing is recorded for W&B.')
    const file = this.#file
    if (file === null) return
    this.#guard(() => file.remember(), 'The training goes on; with --resume it will be another run there.')
    this.#summary = file.summary
    logger.info(`Weights & Biases: ${mode} run ${file.id} in ${shown(file.folder)}`)
    if (this.#credentials === null) return
    const { displayName } = description
    this.#uploader = new WandbUploader({
      client: new WandbClient(this.#credentials, producer),
      run: { ...description, id: file.id, displayName, host: hostname(), stepMetrics: this.#stepMetrics },
      logger,
      path: shown(file.path),
      restored: file.restored,
      isAppended: file.isAppended,
      ...upload,
    })
  }

  /** A row of numbers, under `<phase>/<name>`; those that were not measured are left out. */
  row(place: RowPlace, numbers: Numbers): void {
    const file = this.#file
    if (file === null) return
    const { phase, step } = place
    const now = Date.now()
    const items: JsonItems = {
      ...prefixed(phase, { step, ...numbers }),
      _timestamp: String(now / 1000),
      _runtime: String((now - file.startTime) / 1000),
    }
    this.#defineStepMetric(phase)
    const kept = file.rowsBefore(place)
    if (kept < file.rows) {
      this.#guard(() => file.cut(kept))
      this.#uploader?.cut(kept)
    }
    this.#guard(() => file.row(place, { ...items, _step: String(kept) }))
    this.#uploader?.row(items)
    this.#summary = { ...this.#summary, ...items, _step: String(kept) }
    if (place.isEpoch) this.#summarize(this.#summary)
  }

  /** Final numbers of a phase, under `<phase>/<name>`. */
  result(phase: string, numbers: Numbers): void {
    this.#summarize(prefixed(phase, numbers))
  }

  /** Ends the run with the program's exit code; waits for the server, but not for long. */
  async finish(exitCode: number): Promise<void> {
    const file = this.#file
    if (file === null) return
    this.#file = null
    if (exitCode !== 0 && file.rows === 0 && file.restored.length === 0 && this.#uploader === null)
      return this.#guard(() => file.discard(), 'Its folder stays.') // nothing ever began
    this.#guard(() => file.close(exitCode, (Date.now() - file.startTime) / 1000), 'The records end there.')
    const { logger } = this.#setting
    if (file.waiting > 0)
      logger.warn(
        `Weights & Biases: ${file.waiting} records are missing in ${shown(file.path)}, which the disk refused`,
      )
    const sent = await this.#uploader?.finish(exitCode)
    if (sent === undefined) logger.info(`Weights & Biases: wandb sync ${shown(file.folder)} uploads the run`)
    else if (sent.isComplete) this.#guard(() => file.markSynced(), 'The server has the run all the same.')
    else
      logger.warn(
        `Weights & Biases: the server lacks the end of the run (${sent.unsent} rows). ` +
          `wandb sync --include-online ${shown(file.folder)} uploads it.`,
      )
  }

  #defineStepMetric(phase: string): void {
    const glob = `${phase}/*`
    if (glob in this.#stepMetrics) return
    this.#stepMetrics[glob] = stepMetricOf(phase)
    this.#uploader?.setStepMetrics({ ...this.#stepMetrics })
  }

  #summarize(items: JsonItems): void {
    const file = this.#file
    if (file === null) return
    this.#summary = { ...this.#summary, ...items }
    this.#guard(() => file.summarize(items))
    this.#uploader?.summarize(this.#summary)
  }

  /** Says once what was refused, and what follows, and goes on. */
  #guard(work: () => void, then = 'The training goes on; records are kept and written with the next ones.'): void {
    try {
      work()
    } catch (error) {
      const { logger } = this.#setting
      const reason = (error instanceof Error ? error.message : String(error)).replace(/\.?$/, '.')
      if (this.#isRefused) logger.debug(`Weights & Biases: ${reason}`)
      else logger.warn(`Weights & Biases: ${reason} ${then}`)
      this.#isRefused = true
    }
  }
}

function prefixed(phase: string, numbers: Numbers): JsonItems {
  return Object.fromEntries(
    Object.entries(numbers)
      .filter(([, value]) => value !== null)
      .map(([name, value]) => [`${phase}/${name}`, toWandbJson(value)]),
  )
}

function jsonOf(values: Readonly<Record<string, unknown>>): JsonItems {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, toWandbJson(value)]))
}

/** As one would type it from here. */
function shown(path: string): string {
  const short = relative(process.cwd(), path)
  return short.startsWith('..') ? path : short
}
