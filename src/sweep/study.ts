/**
 * A study: a space, a sampler, a pruner and a storage, and the trials that come of them. Any number of processes may open the same
 * study; each asks for trials and tells what came of them.
 *
 *   const study = await Study.open({ name: 'digits', space, storage: new JournalStorage('sweep.jsonl') })
 *   await study.optimize(async (trial) => train(trial.params), { trials: 50, workers: 2 })
 *   study.best(await study.trials())
 */
import { ConfigError } from '../util/errors.ts'
import { checkOptionNames, type OptionNames } from '../util/option-names.ts'
import { ActiveTrial } from './active-trial.ts'
import { optimize, type Objective, type OptimizeOptions } from './optimize.ts'
import { newOwner } from './owner.ts'
import { paretoFront } from './pareto.ts'
import { pruners } from './pruners/index.ts'
import { NoPruner } from './pruners/none.ts'
import type { Pruner } from './pruners/pruner.ts'
import { samplers } from './samplers/index.ts'
import type { Sampler } from './samplers/sampler.ts'
import { TpeSampler } from './samplers/tpe.ts'
import type { Json } from './space/distribution.ts'
import { Space, type Params } from './space/space.ts'
import { MemoryStorage } from './storage/memory.ts'
import type { Storage, StudyDefinition } from './storage/storage.ts'
import { asLoss, type Direction, type Trial } from './trial.ts'

export interface StudyOptions {
  /** becomes a key of the storage and a folder: no slashes, 1 to 200 characters */
  readonly name: string
  readonly space: Space
  /** default: in memory */
  readonly storage?: Storage
  /** default: TPE */
  readonly sampler?: Sampler
  /** default: none */
  readonly pruner?: Pruner
  /** default: one, to be minimized */
  readonly directions?: readonly Direction[]
  /** names of the objectives; default: value, or value 1, value 2 … */
  readonly objectives?: readonly string[]
  /** non-negative; default 0 */
  readonly seed?: number
  /** what every trial starts from, by key: a study that was begun with something else is refused */
  readonly setup?: Readonly<Record<string, Json>>
}

const optionNames: OptionNames<StudyOptions> = {
  ...{ name: true, space: true, storage: true, sampler: true, pruner: true, directions: true },
  ...{ objectives: true, seed: true, setup: true },
}

export interface StudyLoadOptions {
  readonly name: string
  readonly storage: Storage
}

/** @throws {ConfigError} for what cannot be a folder of its own */
export function checkStudyName(name: string): void {
  if (/^[^/\\\0]{1,200}$/u.test(name) && name !== '.' && name !== '..') return
  throw new ConfigError(`study: expected a name without slashes, of 1 to 200 characters, got ${JSON.stringify(name)}.`)
}

export class Study {
  readonly name: string
  readonly space: Space
  readonly directions: readonly Direction[]
  readonly objectives: readonly string[]
  readonly seed: number
  readonly sampler: Sampler
  readonly pruner: Pruner
  readonly storage: Storage
  /** as it is stored */
  readonly definition: StudyDefinition

  private constructor(
    definition: StudyDefinition,
    options: Required<Pick<StudyOptions, 'space' | 'storage' | 'sampler' | 'pruner'>>,
  ) {
    this.definition = definition
    this.name = definition.name
    this.directions = definition.directions
    this.objectives = definition.objectives
    this.seed = definition.seed
    this.space = options.space
    this.storage = options.storage
    this.sampler = options.sampler
    this.pruner = options.pruner
  }

  /**
   * Begins a study, or joins it when the storage has one of that name.
   *
   * @throws {ConfigError} when the sampler or pruner cannot serve the space or the objectives, or the stored study is another one
   * @throws {SnapshotError} when the storage is of another version, damaged, or cannot be reached
   */
  static async open(options: StudyOptions): Promise<Study> {
    checkOptionNames('Study.open', options, optionNames)
    const { name, space, pruner = new NoPruner(), storage = new MemoryStorage() } = options
    const sampler: Sampler = options.sampler ?? new TpeSampler()
    const { directions = ['minimize'], seed = 0 } = options
    const objectives =
      options.objectives ?? (directions.length === 1 ? ['value'] : directions.map((_, i) => `value ${i + 1}`))
    checkStudyName(name)
    if (
      directions.length === 0 ||
      objectives.length !== directions.length ||
      new Set(objectives).size !== objectives.length
    )
      throw new ConfigError(
        `study: expected one direction for each differently named objective, got ${directions.length} for [${objectives.join(', ')}].`,
      )
    if (!Number.isSafeInteger(seed) || seed < 0)
      throw new ConfigError(`study: expected seed to be a whole number ≥ 0, got ${seed}.`)
    if (directions.length > 1 && pruner.name !== 'none')
      throw new ConfigError(
        `study: the ${pruner.name} pruner compares one objective, got ${directions.length}. Leave the pruner out.`,
      )
    sampler.check?.(space, directions)
    const definition = {
      name,
      space: space.definition(),
      fingerprint: space.fingerprint,
      objectives,
      directions,
      seed,
      ...(options.setup === undefined ? {} : { setup: options.setup }),
      search: { sampler: sampler.name, pruner: pruner.name },
    }
    return new Study(await storage.open(definition), { space, sampler, pruner, storage })
  }

  /**
   * An existing study as it was begun, to look at or to continue with the sampler and pruner of these names.
   *
   * @throws {ConfigError} when the storage has none of that name
   */
  static async load({ name, storage }: StudyLoadOptions): Promise<Study> {
    const definition = await storage.find(name)
    if (definition === null) throw new ConfigError(`study: expected a study "${name}" in the storage, found none.`)
    const { sampler = 'tpe', pruner = 'none' } = definition.search ?? {}
    // A sampler or pruner of the user's own has no place in the registries: the trials can be looked at all the same.
    const parts = {
      sampler: samplers[sampler]?.() ?? new TpeSampler(),
      pruner: pruners[pruner]?.() ?? new NoPruner(),
    }
    return new Study(await storage.open(definition), { space: new Space(definition.space), storage, ...parts })
  }

  /** All trials by number, as of now. */
  trials(): Promise<readonly Trial[]> {
    return this.storage.trials()
  }

  /**
   * Adds a trial with known parameters, to be run before new ones are drawn.
   *
   * @param options.once not again when a trial was enqueued with the same parameters before
   * @throws {ConfigError} when they do not belong to the space
   */
  async enqueue(params: Params, options: { readonly once?: boolean } = {}): Promise<Trial> {
    return this.storage.enqueue(this.space.check(params, 'enqueued trial'), options.once)
  }

  /**
   * Starts the next trial.
   *
   * @param options.limit no new one is made when there are this many
   * @param options.owner a name of the worker that no other living one has; default: a new one
   * @returns null when nothing is left to start: the limit is reached, or the sampler has no more
   */
  async ask({
    limit = Infinity,
    owner = newOwner(),
  }: { limit?: number; owner?: string } = {}): Promise<ActiveTrial | null> {
    const trial = await this.storage.start(owner, {
      limit,
      suggest: (history, number) => {
        const { space, directions, seed } = this
        const params = this.sampler.suggest({ space, directions, history, number, seed })
        // A sampler of the user's own is checked like everything that comes from outside.
        return params === null ? null : space.check(params, `${this.sampler.name} sampler`)
      },
    })
    return trial === null ? null : new ActiveTrial(this, trial)
  }

  /** Runs trials until there are `options.trials` finished ones in the study, by whichever process. */
  optimize(objective: Objective, options: OptimizeOptions): Promise<readonly Trial[]> {
    return optimize(this, objective, options)
  }

  /** The complete trial with the best value of the single objective, or null. */
  best(trials: readonly Trial[]): Trial | null {
    if (this.directions.length > 1)
      throw new ConfigError('study: with several objectives there is no single best trial. Take paretoFront().')
    const loss = (trial: Trial): number => asLoss(trial.values![0]!, this.directions[0]!)
    return trials
      .filter((trial) => trial.state === 'complete')
      .reduce<Trial | null>((best, trial) => (best === null || loss(trial) < loss(best) ? trial : best), null)
  }

  /** The complete trials that no other one beats in every objective. */
  paretoFront(trials: readonly Trial[]): Trial[] {
    return paretoFront(trials, this.directions)
  }

  close(): Promise<void> {
    return this.storage.close()
  }
}
