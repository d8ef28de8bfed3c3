/**
 * The one training loop. A phase supplies a task; the loop does the rest, in this order each step:
 *
 *   batch → forward and loss → finite? → backward → clip, finite? → optimizer → average → events → (interrupted?)
 *
 * and each epoch: validate (averaged weights where there are any) → history → snapshot → stop early?
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { torch, type Tensor } from '../binding/index.ts'
import type { Batch, Loader } from '../data/index.ts'
import {
  durationInSteps,
  Ema,
  learningRateAt,
  Optimizer,
  parameterGroups,
  type Duration,
  type GroupOptions,
  type OptimizerOptions,
  type Schedule,
} from '../optim/index.ts'
import type { Snapshot, SnapshotStore } from '../snapshot/index.ts'
import { HistoryWriter, type EpochRecord } from '../tracking/index.ts'
import type { Logger } from '../util/logger.ts'
import { isBetter, type Monitor } from './best-epoch.ts'
import { NonFiniteGuard } from './non-finite.ts'
import { emptySums, parseTrainingState, type EpochSums, type TrainingState } from './state.ts'
import type { Networks, StepOutput, TrainingTask, Validation } from './task.ts'

export interface LoopOptions {
  readonly duration: Duration
  readonly warmup: Duration
  readonly schedule: Pick<Schedule, 'kind' | 'learningRate' | 'finalFraction'>
  readonly optimizer: OptimizerOptions & GroupOptions
  /** largest global gradient norm; 0 does not clip */
  readonly gradClip: number
  /** largest decay of the weight average; used when there are averaged networks */
  readonly emaDecay: number
  readonly monitor: Monitor
  /** epochs without improvement before stopping; null never stops early */
  readonly patience: number | null
  /** epochs between snapshots; the best and the last epoch are always kept */
  readonly snapshotEvery: number
  readonly seed: number
}

export interface StepEvent {
  readonly step: number
  readonly totalSteps: number
  readonly epoch: number
  readonly totalEpochs: number
  readonly loss: number
  readonly parts: Readonly<Record<string, number>>
  readonly learningRate: number
  readonly gradientNorm: number
}

export interface LoopParts {
  readonly task: TrainingTask
  readonly networks: Networks
  /** a second pair of the same architecture that becomes the average; null for none */
  readonly emaNetworks: Networks | null
  readonly loader: Loader
  readonly store: SnapshotStore
  /** folder of the history files */
  readonly logs: string
  readonly logger: Logger
  readonly signal: AbortSignal
  /** goes on from here; null starts at step 0 */
  readonly resumeFrom: Snapshot | null
  /** what the weights belong to, stored in state.json */
  readonly network: unknown
  /** parameters that are frozen for the first epochs; null or left out: what is trainable stays so */
  readonly thaw?: Thaw | null
  readonly onStepEnd?: (event: StepEvent) => void
  readonly onEpochEnd?: (record: EpochRecord) => void
}

export interface Thaw {
  /** epochs that pass before */
  readonly afterEpochs: number
  /** makes the parameters trainable */
  run(): Promise<void>
}

export interface LoopResult {
  readonly outcome: 'finished' | 'interrupted'
  readonly state: TrainingState
  /** the newest snapshot, and the one of the best epoch */
  readonly last: string
  readonly best: string
}

/**
 * @throws {NonFiniteError} when loss or gradient is NaN or infinite; no weight was touched by it
 * @throws {SnapshotError}  when a snapshot cannot be written or the one to resume from cannot be read
 */
export async function runTraining(options: LoopOptions, parts: LoopParts): Promise<LoopResult> {
  const run = new TrainingRun(options, parts)
  try {
    return await run.run()
  } finally {
    run.dispose()
  }
}

class TrainingRun {
  readonly #options: LoopOptions
  readonly #parts: LoopParts
  #optimizer: Optimizer
  #isThawed = false
  readonly #ema: Ema | null
  readonly #schedule: Schedule
  readonly #guard: NonFiniteGuard
  #state: TrainingState

  constructor(options: LoopOptions, parts: LoopParts) {
    this.#options = options
    this.#parts = parts
    const { networks, emaNetworks, loader, task } = parts
    const perEpoch = loader.batchesPerEpoch
    this.#schedule = {
      ...options.schedule,
      totalSteps: Math.max(1, durationInSteps(options.duration, perEpoch, `${task.name} length`)),
      warmupSteps: durationInSteps(options.warmup, perEpoch, `${task.name} warm-up`),
    }
    this.#optimizer = this.#makeOptimizer()
    this.#ema =
      emaNetworks === null
        ? null
        : new Ema([networks.backbone, networks.head], [emaNetworks.backbone, emaNetworks.head], options.emaDecay)
    this.#guard = new NonFiniteGuard(task.name)
    this.#state = {
      version: 1,
      phase: task.name,
      seed: options.seed,
      step: 0,
      epoch: 0,
      stepInEpoch: 0,
      sums: emptySums,
      finished: false,
      best: null,
      network: parts.network,
    }
  }

  dispose(): void {
    this.#ema?.dispose()
  }

  #makeOptimizer(): Optimizer {
    const { task, networks } = this.#parts
    const { optimizer } = this.#options
    return torch.scope(() => new Optimizer(parameterGroups(task.trainable(networks), optimizer), optimizer))
  }

  /** The optimizer learns of parameters that were frozen until now; those it had keep their state. */
  async #thaw(thaw: Thaw): Promise<void> {
    this.#isThawed = true
    await thaw.run()
    const previous = this.#optimizer
    this.#optimizer = this.#makeOptimizer()
    await this.#optimizer.inherit(previous)
  }

  async run(): Promise<LoopResult> {
    const { signal, task, logs } = this.#parts
    if (this.#parts.resumeFrom !== null) await this.#restore(this.#parts.resumeFrom)
    using history = await HistoryWriter.open({ directory: logs, phase: task.name, resumeAfterEpoch: this.#state.epoch })
    while (!this.#state.finished) {
      await this.#trainEpoch()
      const started = performance.now()
      const validation = signal.aborted ? null : await this.#validate()
      if (validation === null) {
        await this.#save(false)
        return this.#result('interrupted')
      }
      const record = this.#closeEpoch(validation, (performance.now() - started) / 1000)
      history.append(record)
      this.#parts.onEpochEnd?.(record)
      const isBest = task.validate === null || this.#state.best?.epoch === record.epoch
      if (isBest || this.#state.finished || record.epoch % this.#options.snapshotEvery === 0) await this.#save(isBest)
    }
    return this.#result('finished')
  }

  /** Trains to the end of the epoch or of the budget, or until it is interrupted. */
  async #trainEpoch(): Promise<void> {
    const { loader, networks, signal } = this.#parts
    if (signal.aborted || this.#isBudgetSpent() || this.#state.stepInEpoch >= loader.batchesPerEpoch) return
    const { thaw } = this.#parts
    if (thaw != null && !this.#isThawed && this.#state.epoch >= thaw.afterEpochs) await this.#thaw(thaw)
    networks.backbone.train(true)
    networks.head.train(true)
    let since = performance.now()
    for await (const batch of loader.epoch(this.#state.epoch, this.#state.stepInEpoch)) {
      try {
        await torch.scope(() => this.#trainStep(batch))
      } finally {
        batch.dispose()
      }
      // A turn of the event loop: signals and progress are served, and disposed memory is given back.
      await nextTurn()
      const now = performance.now()
      const { sums } = this.#state
      this.#state = { ...this.#state, sums: { ...sums, seconds: sums.seconds + (now - since) / 1000 } }
      since = now
      if (signal.aborted || this.#isBudgetSpent()) return
    }
  }

  #isBudgetSpent(): boolean {
    return this.#state.step >= this.#schedule.totalSteps
  }

  async #trainStep(batch: Batch): Promise<void> {
    const { task, networks, loader } = this.#parts
    const { step, epoch, sums } = this.#state
    const at = { step: step + 1, epoch: epoch + 1 }
    const learningRate = learningRateAt(this.#schedule, step)
    // Keyed by the step, so that dropout of a resumed run draws what the uninterrupted run would have drawn.
    torch.manualSeed(this.#options.seed * 2 ** 20 + step)
    const output = await task.compute(networks, batch)
    const loss = output.loss.item()
    if (!Number.isFinite(loss)) this.#guard.check('loss', loss, at, await this.#lastSnapshot())
    this.#guard.check('loss', loss, at, null)
    await torch.backward(output.loss)
    const gradientNorm = await this.#optimizer.clipGradNorm(this.#options.gradClip)
    if (!Number.isFinite(gradientNorm)) this.#guard.check('gradient norm', gradientNorm, at, await this.#lastSnapshot())
    await this.#optimizer.step(learningRate)
    await this.#optimizer.zeroGrad()
    await this.#ema?.update(step)
    this.#state = {
      ...this.#state,
      step: step + 1,
      stepInEpoch: this.#state.stepInEpoch + 1,
      sums: addToSums(sums, loss, batch.size, output),
    }
    this.#parts.onStepEnd?.({
      ...at,
      totalSteps: this.#schedule.totalSteps,
      totalEpochs: Math.ceil(this.#schedule.totalSteps / loader.batchesPerEpoch),
      loss,
      parts: output.parts,
      learningRate,
      gradientNorm,
    })
  }

  /** Null when it was interrupted. */
  async #validate(): Promise<Validation | null> {
    const { task, networks, emaNetworks, signal } = this.#parts
    if (task.validate === null) return { loss: null, accuracy: null }
    const measured = emaNetworks ?? networks
    measured.backbone.train(false)
    measured.head.train(false)
    const { validate } = task
    try {
      return await torch.scope(() => torch.noGrad(() => validate(measured, signal)))
    } catch (error) {
      if (signal.aborted) return null
      throw error
    }
  }

  #closeEpoch(validation: Validation, validationSeconds: number): EpochRecord {
    const { task } = this.#parts
    const { sums, step } = this.#state
    const epoch = this.#state.epoch + 1
    const samples = Math.max(1, sums.samples)
    const record: EpochRecord = {
      phase: task.name,
      epoch,
      step,
      seconds: Number((sums.seconds + validationSeconds).toFixed(3)),
      lr: learningRateAt(this.#schedule, Math.max(0, step - 1)),
      train_loss: sums.loss / samples,
      train_accuracy: sums.correct === null ? null : sums.correct / samples,
      val_loss: validation.loss,
      val_accuracy: validation.accuracy,
      images_per_second: Number((sums.samples / Math.max(1e-9, sums.seconds)).toFixed(1)),
    }
    const best = isBetter(validation, this.#state.best, this.#options.monitor)
      ? { epoch, ...validation }
      : this.#state.best
    const waited = epoch - (best?.epoch ?? epoch)
    const { patience } = this.#options
    const outOfPatience = task.validate !== null && patience !== null && waited >= patience
    if (outOfPatience && !this.#isBudgetSpent())
      this.#parts.logger.info(
        `${task.name}: stopped early after epoch ${epoch}: no improvement in ${patience} epochs; the best was epoch ${best?.epoch}`,
      )
    this.#state = {
      ...this.#state,
      epoch,
      stepInEpoch: 0,
      sums: emptySums,
      best,
      finished: this.#isBudgetSpent() || outOfPatience,
    }
    return record
  }

  async #save(best: boolean): Promise<void> {
    const { store, networks, emaNetworks, network } = this.#parts
    const { epoch, step, stepInEpoch } = this.#state
    const name = `epoch-${String(epoch).padStart(4, '0')}${stepInEpoch === 0 ? '' : `-step-${String(step).padStart(7, '0')}`}`
    await torch.scope(async () => {
      const parts = new Map<string, ReadonlyMap<string, Tensor>>([
        ['backbone', networks.backbone.stateDict()],
        ['head', networks.head.stateDict()],
      ])
      if (emaNetworks !== null) {
        parts.set('ema_backbone', emaNetworks.backbone.stateDict())
        parts.set('ema_head', emaNetworks.head.stateDict())
      }
      parts.set('optimizer', await this.#optimizer.state())
      await store.save(
        name,
        { parts, state: this.#state, order: step, metadata: { format: 'pt', trivium: JSON.stringify(network) } },
        { best },
      )
    })
  }

  async #restore(snapshot: Snapshot): Promise<void> {
    const { networks, emaNetworks, network, thaw } = this.#parts
    this.#state = { ...parseTrainingState(snapshot.state, snapshot.path), network }
    const { epoch, stepInEpoch } = this.#state
    // An epoch thaws before its first step: a snapshot between two epochs was written by the optimizer of the earlier one.
    if (thaw != null && epoch + Math.sign(stepInEpoch) > thaw.afterEpochs) await this.#thaw(thaw)
    await torch.scope(async () => {
      await networks.backbone.loadStateDict(await snapshot.load('backbone'))
      await networks.head.loadStateDict(await snapshot.load('head'))
      await emaNetworks?.backbone.loadStateDict(await snapshot.load('ema_backbone'))
      await emaNetworks?.head.loadStateDict(await snapshot.load('ema_head'))
      await this.#optimizer.loadState(await snapshot.load('optimizer'))
    })
  }

  #lastSnapshot(): Promise<string | null> {
    return this.#parts.store.pointer('last')
  }

  async #result(outcome: LoopResult['outcome']): Promise<LoopResult> {
    const { store } = this.#parts
    const last = (await store.pointer('last')) ?? store.folder
    return { outcome, state: this.#state, last, best: (await store.pointer('best')) ?? last }
  }
}

function addToSums(sums: EpochSums, loss: number, size: number, output: StepOutput): EpochSums {
  return {
    ...sums,
    loss: sums.loss + loss * size,
    samples: sums.samples + size,
    correct: output.correct === null ? sums.correct : (sums.correct ?? 0) + output.correct,
  }
}
