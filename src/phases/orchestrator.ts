/**
 * A pipeline as a list of stages that pass on one context. Stages can be added, removed, reordered and written by users:
 *
 *   await new PipelineOrchestrator().addStage(new DataLoaderStage()).addStage(new ModelLoaderStage())
 *     .addStage(new TrainingStage()).addStage(new EvaluationStage()).run({ train: { enabled: true, epochs: 3 } })
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { AugmentPlan } from '../augment/index.ts'
import { torch } from '../binding/index.ts'
import type { DatasetSplits } from '../data/index.ts'
import type { BackboneRequest, Model } from '../models/index.ts'
import { lockRun } from '../snapshot/index.ts'
import { checkCallbacks, type Ask, type Callback, type PassGraph } from '../train/index.ts'
import { ConfigError } from '../util/errors.ts'
import { checkedOptions } from '../util/checked-options.ts'
import { writeFileAtomic } from '../util/files.ts'
import { silentLogger, type Logger } from '../util/logger.ts'
import { checkOptionNames, type OptionNames } from '../util/option-names.ts'
import { didYouMean } from '../util/suggest.ts'
import { phaseNames, silentProgress, type PhaseName, type PhaseResult, type PlanRequest } from './context.ts'
import type { ProgressReporter, RunPaths } from './context.ts'
import { idlePatience } from './options/idle-patience.ts'
import { pipelineConfigSchema, type PipelineConfig, type PipelineConfigInput } from './pipeline-config.ts'
import { chooseRun, releaseRun, type RunChoice } from './run-folder.ts'

/** What stages read and leave for each other. */
export interface StageContext {
  readonly config: PipelineConfig
  readonly run: RunPaths
  readonly parentRun: RunPaths | null
  readonly device: string
  readonly logger: Logger
  readonly signal: AbortSignal
  readonly progress: ProgressReporter
  readonly callbacks: readonly Callback[]
  readonly ask: Ask | null
  readonly resume: boolean
  /** from the data stage */
  data: DatasetSplits | null
  /** from the augmentation stage; null: training pictures are prepared like those of an evaluation */
  trainingPlan: ((request: PlanRequest) => AugmentPlan) | null
  /** from the model stage */
  createBackbone: ((request: BackboneRequest) => Promise<Model>) | null
  /** from a stage that captures passes otherwise than as CUDA graphs; null: `compile` does what docs/training.md says */
  passGraphs: (() => PassGraph) | null
  /** of the phases that ran, in their order */
  readonly results: PhaseResult[]
  readonly onResult: (result: PhaseResult) => void
  /** further files for people to look at */
  readonly files: string[]
}

export interface Stage {
  readonly name: string
  /** the phases that it would run; decides whether a run is continued or a new one made */
  phases?(config: PipelineConfig): readonly PhaseName[]
  run(context: StageContext): Promise<void>
}

export interface OrchestratorOptions {
  readonly signal?: AbortSignal
  readonly progress?: ProgressReporter
  readonly logger?: Logger
  /** of every training phase, in this order; see docs/training.md */
  readonly callbacks?: readonly Callback[]
  /** puts the question of `ask_epoch` to someone; default: nobody is asked */
  readonly ask?: Ask | null
  /** go on with the newest run of this name */
  readonly resume?: boolean
  /** chosen by the caller; default: by name, see chooseRun */
  readonly run?: RunChoice
  /** the configuration as text, saved with the run as config.yaml; default: the checked object as config.json */
  readonly configText?: string
  /** called once, when the folders exist and before any stage */
  readonly onRun?: (run: RunPaths) => void
  /** called when a phase has ended */
  readonly onResult?: (result: PhaseResult) => void
}

export const orchestratorOptionNames: OptionNames<OrchestratorOptions> = {
  ...{ signal: true, progress: true, logger: true, callbacks: true, ask: true, resume: true, run: true },
  ...{ configText: true, onRun: true, onResult: true },
}

export interface PipelineResult {
  readonly run: RunPaths
  readonly outcome: 'finished' | 'interrupted'
  readonly phases: readonly PhaseResult[]
  readonly files: readonly string[]
}

/** Where a stage is put: an index, or beside a stage that is there already. */
export type StagePosition = number | { readonly before: string } | { readonly after: string }

export class PipelineOrchestrator {
  readonly #stages: Stage[] = []

  get stages(): readonly Stage[] {
    return [...this.#stages]
  }

  /** @throws {ConfigError} when a stage of that name is there already, or the position names none */
  addStage(stage: Stage, position: StagePosition = this.#stages.length): this {
    if (typeof stage?.name !== 'string' || stage.name === '' || typeof stage.run !== 'function')
      throw new ConfigError('orchestrator: expected a stage, an object with a `name` and a function `run(context)`.')
    if (this.#stages.some(({ name }) => name === stage.name))
      throw new ConfigError(
        `orchestrator: expected stages of different names, got "${stage.name}" twice. Give one another name.`,
      )
    this.#stages.splice(this.#indexOf(position), 0, stage)
    return this
  }

  /** @throws {ConfigError} when there is no such stage */
  removeStage(name: string): this {
    this.#stages.splice(this.#find(name), 1)
    return this
  }

  /** Moves a stage. @throws {ConfigError} when there is no such stage, or the position names none */
  moveStage(name: string, position: StagePosition): this {
    const at = this.#find(name)
    if (typeof position === 'object') {
      const beside = 'before' in position ? position.before : position.after
      this.#find(beside)
      if (beside === name) return this
    }
    const [stage] = this.#stages.splice(at, 1)
    if (stage !== undefined) this.#stages.splice(this.#indexOf(position), 0, stage)
    return this
  }

  /**
   * Runs the stages in order, in a run folder that is locked against other processes meanwhile.
   *
   * Ends early, without an error, when the signal is aborted: the outcome is then `interrupted`, and `resume` goes on.
   *
   * @throws {ConfigError} when the configuration does not fit the schema
   */
  async run(input: PipelineConfigInput, options: OrchestratorOptions = {}): Promise<PipelineResult> {
    checkOptionNames('orchestrator', options, orchestratorOptionNames)
    const config = checkedConfig(input)
    checkCallbacks(options.callbacks ?? [])
    const { logger = silentLogger, progress = silentProgress, resume = false } = options
    const signal = options.signal ?? new AbortController().signal
    const device = chosenDevice(config.device)
    const wanted = this.#stages.flatMap((stage) => stage.phases?.(config) ?? [])
    const phases = phaseNames.filter((name) => wanted.includes(name))
    for (const notice of idlePatience(input, phases)) logger.warn(notice)
    const { run, parentRun, isNew } =
      options.run ?? chooseRun(config.run.directory, config.run.name, { phases, resume })
    const lock = lockRun(run.snapshots)
    try {
      if (config.threads > 0) torch.setNumThreads(config.threads)
      options.onRun?.(run)
      await saveConfig(run, config, options.configText)
      logger.info(
        `run ${run.name}: ${phases.join(' → ') || 'no phases'}; using device: ${device}, ${torch.getNumThreads()} threads`,
      )
      const context: StageContext = {
        config,
        run,
        parentRun,
        device,
        logger,
        signal,
        progress,
        callbacks: options.callbacks ?? [],
        ask: options.ask ?? null,
        resume,
        data: null,
        trainingPlan: null,
        createBackbone: null,
        passGraphs: null,
        results: [],
        onResult: options.onResult ?? (() => undefined),
        files: [],
      }
      const outcome = await this.#runStages(context)
      return { run, outcome, phases: context.results, files: context.files }
    } catch (error) {
      if (isNew) releaseRun(run)
      throw error
    } finally {
      lock.release()
    }
  }

  async #runStages(context: StageContext): Promise<PipelineResult['outcome']> {
    const { signal } = context
    for (const stage of this.#stages) {
      if (signal.aborted) return 'interrupted'
      context.logger.debug(`stage ${stage.name}`)
      try {
        await stage.run(context)
      } catch (error) {
        // Downloads and evaluations answer an abort by throwing its reason: nothing of theirs was half-written.
        if (signal.aborted && (error === signal.reason || (error instanceof Error && error.name === 'AbortError')))
          return 'interrupted'
        throw error
      }
      if (context.results.some(({ outcome }) => outcome === 'interrupted')) return 'interrupted'
    }
    return 'finished'
  }

  #find(name: string): number {
    const at = this.#stages.findIndex((stage) => stage.name === name)
    const names = this.#stages.map((stage) => stage.name)
    if (at < 0)
      throw new ConfigError(
        `orchestrator: expected one of the stages ${names.join(', ') || '(none)'}, got "${name}".${didYouMean(name, names)}`,
      )
    return at
  }

  #indexOf(position: StagePosition): number {
    if (typeof position === 'number') return position
    return 'before' in position ? this.#find(position.before) : this.#find(position.after) + 1
  }
}

/** @throws {ConfigError} when it does not fit the schema */
export function checkedConfig(input: PipelineConfigInput): PipelineConfig {
  return checkedOptions('the configuration does not fit', pipelineConfigSchema, input)
}

function chosenDevice(device: string): string {
  if (device === 'auto') return torch.cudaIsAvailable() ? 'cuda:0' : 'cpu'
  if (device.startsWith('cuda') && !torch.cudaIsAvailable())
    throw new ConfigError(
      `device: expected a device that this LibTorch can use, got "${device}", and it finds no CUDA device. ` +
        'Use device: cpu or auto; run-pipeline doctor shows what was found.',
    )
  return device === 'cuda' ? 'cuda:0' : device
}

/** A continued run keeps the configuration it began with; what this call used is saved beside it. */
async function saveConfig(run: RunPaths, config: PipelineConfig, text: string | undefined): Promise<void> {
  const [stem, extension, content] =
    text === undefined ? ['config', 'json', `${JSON.stringify(config, null, 2)}\n`] : ['config', 'yaml', text]
  for (let number = 1; ; number++) {
    const path = join(run.snapshots, `${stem}${number === 1 ? '' : `-${number}`}.${extension}`)
    if (existsSync(path)) continue
    return writeFileAtomic(path, content)
  }
}
