/**
 * The one training loop. A phase supplies a task; the loop does the rest. Each step (step.ts has what happens inside):
 *
 *   batches → step → finite? → callbacks → (interrupted?)
 *
 * and each epoch: Lookahead's pull → mean of weights → validate (averaged weights where there are any) → history → plateau → callbacks →
 * snapshot → stop early?
 */
import { basename } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { torch } from '../binding/index.ts'
import type { Batch } from '../data/index.ts'
import {
  durationInSteps,
  emaDecayAt,
  scalerAfter,
  scalerVerdict,
  swaDecayAt,
  WeightAverage,
  type StepSize,
} from '../optim/index.ts'
import { readSnapshot, type Snapshot } from '../snapshot/index.ts'
import { HistoryWriter, type EpochRecord } from '../tracking/index.ts'
import { NonFiniteError } from '../util/errors.ts'
import { isBetter } from './best-epoch.ts'
import type { Callback } from './callback.ts'
import { statesOf } from './callback-states.ts'
import { Control } from './control.ts'
import { addToSums, epochRecord, measure } from './epoch.ts'
import type { LoopOptions, LoopParts, LoopResult, Thaw } from './loop-parts.ts'
import { preparedBatches, stepInPieces } from './memory.ts'
import { abortAtOnce, NonFiniteGuard, type NonFiniteOptions } from './non-finite.ts'
import { brokenWeights } from './non-finite-origin.ts'
import { Rate } from './rate.ts'
import { loadTensors, saveTraining } from './saved.ts'
import { emptySums, initialState, isPastItsEnd, parseTrainingState, type TrainingState } from './state.ts'
import { estimateStatistics } from './statistics.ts'
import { Stepper } from './step.ts'
import type { Validation } from './task.ts'

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
  readonly #stepper: Stepper
  #isThawed = false
  /** when the newest snapshot was written, or the run began; of performance.now */
  #savedAt = performance.now()
  readonly #average: WeightAverage | null
  readonly #rate: Rate
  readonly #size: StepSize
  readonly #callbacks: readonly Callback[]
  readonly #control: Control
  readonly #guard: NonFiniteGuard
  readonly #nonFinite: NonFiniteOptions
  #state: TrainingState

  constructor(options: LoopOptions, parts: LoopParts) {
    this.#options = options
    this.#parts = parts
    const { networks, emaNetworks, loader, task } = parts
    const { accumulation = 1, gradClip, gradClipMode = 'norm', sam = null, lookahead = null } = options
    const size: StepSize = {
      stepsPerEpoch: Math.ceil(loader.batchesPerEpoch / accumulation),
      examplesPerStep: loader.batchSize * accumulation,
    }
    this.#size = size
    this.#rate = new Rate(options.schedule, {
      task,
      size,
      totalSteps: Math.max(1, durationInSteps(options.duration, size, `${task.name} length`)),
      warmupSteps: durationInSteps(options.warmup, size, `${task.name} warm-up`),
      swa: options.swa ?? null,
      monitor: options.monitor,
    })
    this.#average =
      emaNetworks === null
        ? null
        : new WeightAverage([networks.backbone, networks.head], [emaNetworks.backbone, emaNetworks.head])
    const clip = { mode: gradClip > 0 ? gradClipMode : 'none', limit: gradClip } as const
    this.#nonFinite = options.nonFinite ?? abortAtOnce
    const holds = this.#nonFinite.policy === 'skip' || options.precision === 'float16' || options.microBatch === 'auto'
    this.#stepper = new Stepper(
      { seed: options.seed, optimizer: options.optimizer, clip, sam, lookahead, holds },
      { task, networks, average: this.#average, graphs: parts.graphs ?? null },
    )
    this.#guard = new NonFiniteGuard(task.name, this.#nonFinite, parts.logger)
    this.#callbacks = parts.callbacks ?? []
    this.#control = new Control(size.stepsPerEpoch, () => this.#restoreBest())
    this.#state = initialState(task.name, options.seed, parts.network)
  }

  /** As planned, and lengthened by callbacks. */
  get #totalSteps(): number {
    return this.#rate.plannedSteps + this.#control.addedSteps
  }

  get #totalEpochs(): number {
    return Math.ceil(this.#totalSteps / this.#size.stepsPerEpoch)
  }

  #learningRateAt(at: Pick<TrainingState, 'step' | 'updates' | 'plateau'>): number {
    return this.#rate.at(at, this.#totalSteps) * this.#control.learningRateScale
  }

  dispose(): void {
    this.#stepper.dispose()
    this.#average?.dispose()
  }

  async #thaw(thaw: Thaw): Promise<void> {
    this.#isThawed = true
    await thaw.run()
    await this.#stepper.renewOptimizer()
  }

  async run(): Promise<LoopResult> {
    try {
      return await this.#run()
    } catch (error) {
      if (!(error instanceof NonFiniteError)) throw error
      const { rewinds, anchor } = this.#state
      throw this.#guard.rewound(error, rewinds, anchor === null ? null : await this.#parts.store.find(anchor))
    }
  }

  async #run(): Promise<LoopResult> {
    const { signal, task, logs, logger, store } = this.#parts
    if (this.#parts.resumeFrom !== null) await this.#restore(this.#parts.resumeFrom)
    if (isPastItsEnd(this.#state, this.#totalSteps)) {
      logger.warn(`${task.name}: nothing is left to train: ${this.#state.step} of ${this.#totalSteps} steps are done`)
      return this.#result('finished')
    }
    if (this.#nonFinite.policy === 'rewind' && this.#state.anchor === null) await this.#save(false)
    store.hold(this.#state.anchor)
    for (const callback of this.#callbacks) await callback.onStart?.({ phase: task.name, epochs: this.#totalEpochs })
    const tell = ({ message }: Error): void => logger.warn(`${message} The line is written with the next ones.`)
    const resumed = { phase: task.name, resumeAfterEpoch: this.#state.epoch }
    using history = await HistoryWriter.open({ directory: logs, ...resumed, onRefused: store.isLasting ? tell : null })
    while (!this.#state.finished) {
      await this.#trainEpoch()
      const started = performance.now()
      if (!signal.aborted) await this.#settleWeights()
      const validation = signal.aborted ? null : await measure(this.#parts)
      if (validation === null) {
        await this.#save(false)
        return this.#result('interrupted')
      }
      const record = await this.#closeEpoch(validation, (performance.now() - started) / 1000)
      history.append(record)
      const isBest = task.validate === null || this.#state.best?.epoch === record.epoch
      for (const callback of this.#callbacks) await callback.onEpochEnd?.(record, this.#control)
      const stopped = this.#decideEnd()
      for (const callback of this.#callbacks) await callback.onEpochClosed?.(record, this.#state.finished)
      if (stopped !== null) logger.info(`${task.name}: stopped early after epoch ${record.epoch}: ${stopped}`)
      if (isBest || this.#state.finished || record.epoch % this.#options.snapshotEvery === 0) await this.#save(isBest)
    }
    return this.#result('finished')
  }

  /** Trains to the end of the epoch or of the budget, or until it is interrupted. */
  async #trainEpoch(): Promise<void> {
    const { loader, networks, signal, task, thaw } = this.#parts
    const { epoch, batchInEpoch } = this.#state
    if (signal.aborted || this.#isBudgetSpent() || batchInEpoch >= loader.batchesPerEpoch) return
    if (thaw != null && !this.#isThawed && epoch >= thaw.afterEpochs) await this.#thaw(thaw)
    networks.backbone.train(true)
    networks.head.train(true)
    let since = performance.now()
    const batches: Batch[] = []
    const disposeBatches = (): void => {
      for (const batch of batches.splice(0)) batch.dispose()
    }
    try {
      for await (const batch of preparedBatches(task.name, loader.epoch(epoch, batchInEpoch))) {
        batches.push(batch)
        const taken = this.#state.batchInEpoch + batches.length
        if (batches.length < (this.#options.accumulation ?? 1) && taken < loader.batchesPerEpoch) continue
        await torch.scope(() => this.#trainStep(batches))
        disposeBatches()
        // A turn of the event loop: signals and progress are served, and disposed memory is given back.
        await nextTurn()
        const now = performance.now()
        const { sums } = this.#state
        this.#state = { ...this.#state, sums: { ...sums, seconds: sums.seconds + (now - since) / 1000 } }
        since = now
        if (signal.aborted || this.#isBudgetSpent() || this.#control.stopReason !== null) return
        if (this.#isSnapshotDue(now)) await this.#save(false)
      }
    } finally {
      disposeBatches()
    }
  }

  /** In the middle of an epoch; its end has a snapshot of its own. */
  #isSnapshotDue(now: number): boolean {
    const { snapshotMinutes = 0 } = this.#options
    if (snapshotMinutes === 0 || now - this.#savedAt < snapshotMinutes * 60_000) return false
    return this.#state.batchInEpoch < this.#parts.loader.batchesPerEpoch
  }

  #isBudgetSpent(): boolean {
    return this.#state.step >= this.#totalSteps
  }

  async #trainStep(batches: readonly Batch[]): Promise<void> {
    const { step, updates, epoch, sums, scaler, sincePull, batchInEpoch, skipped, rewinds } = this.#state
    const at = { step: step + 1, epoch: epoch + 1 }
    if (rewinds.includes(at.step)) {
      this.#parts.logger.info(`${this.#parts.task.name}: step ${at.step} is left out, where it broke before`)
      this.#state = { ...this.#state, step: at.step, batchInEpoch: batchInEpoch + batches.length }
      return
    }
    const learningRate = this.#learningRateAt(this.#state)
    const isScaled = this.#options.precision === 'float16'
    const averages = this.#options.swa == null && this.#average !== null
    const { task, logger } = this.#parts
    const setting = {
      option: this.#options.microBatch ?? null,
      found: this.#state.microBatch,
      phase: task.name,
      at,
      logger,
    }
    const { result, microBatch } = await stepInPieces(this.#stepper, batches, setting, {
      step,
      learningRate,
      lossScale: isScaled ? scaler.scale : 1,
      sincePull,
      averageDecay: averages ? emaDecayAt(updates, this.#options.emaDecay) : null,
    })
    const { broken } = result
    const isSkipped = broken !== null && !isScaled
    const skips = isSkipped ? skipped.inRow + 1 : 0
    if (isSkipped) this.#guard.leaveOut({ ...result, what: broken }, at, skips, await this.#parts.store.pointer('last'))
    if (broken !== 'loss') this.#guard.finite(result.loss, at.step)
    this.#state = {
      ...this.#state,
      microBatch,
      step: step + 1,
      updates: broken === null ? updates + 1 : updates,
      batchInEpoch: batchInEpoch + batches.length,
      sums: broken === 'loss' ? sums : addToSums(sums, result),
      scaler: isScaled ? scalerAfter(scaler, broken !== null) : scaler,
      skipped: { inRow: skips, total: skipped.total + Math.sign(skips) },
      sincePull: result.sincePull,
    }
    const verdict = broken === null ? null : scalerVerdict(this.#state.scaler)
    if (verdict !== null) throw this.#guard.scaler(verdict, result.origin, at, await this.#parts.store.pointer('last'))
    const event = {
      ...at,
      totalSteps: this.#totalSteps,
      totalEpochs: this.#totalEpochs,
      samples: result.samples,
      loss: result.loss,
      parts: result.parts,
      learningRate,
      gradientNorm: result.gradientNorm,
    }
    for (const callback of this.#callbacks) await callback.onStepEnd?.(event, this.#control)
  }

  /** The epoch is over: what is measured and saved are Lookahead's slow weights, and the mean of weights where one is kept. */
  async #settleWeights(): Promise<void> {
    const { loader, networks, emaNetworks } = this.#parts
    const { swa = null, precision = 'float32' } = this.#options
    if (this.#state.settled) return // and interrupted while it was measured
    if (this.#state.sincePull > 0) {
      await this.#stepper.pull()
      this.#state = { ...this.#state, sincePull: 0 }
    }
    this.#state = { ...this.#state, settled: true }
    if (swa === null || this.#average === null || emaNetworks === null) return
    const averaged = this.#state.averaged
    await this.#average.update(swaDecayAt(averaged))
    if (!this.#rate.isAveraging(this.#state.step, this.#totalSteps)) return
    this.#state = { ...this.#state, averaged: averaged + 1 }
    // No batch has gone through a mean of two weights or more.
    if (averaged > 0) {
      const { epoch } = this.#state
      await estimateStatistics(emaNetworks, networks, { loader, epoch, batches: swa.statisticsBatches, precision })
    }
  }

  async #closeEpoch(validation: Validation, validationSeconds: number): Promise<EpochRecord> {
    const { step, updates, plateau, best } = this.#state
    const epoch = this.#state.epoch + 1
    const lr = this.#learningRateAt({ step: Math.max(0, step - 1), updates: Math.max(0, updates - 1), plateau })
    const record = epochRecord(this.#parts.task.name, this.#state, { lr, validation, validationSeconds })
    const opinion = this.#callbacks.find((callback) => callback.isBest !== undefined)
    const { monitor } = this.#options
    const improved = best === null || ((await opinion?.isBest?.(record)) ?? isBetter(validation, best, monitor))
    this.#state = {
      ...this.#state,
      epoch,
      batchInEpoch: 0,
      settled: false,
      sums: emptySums,
      plateau: this.#rate.plateauAfter(plateau, validation),
      best: improved ? { epoch, accuracy: validation.accuracy, loss: validation.loss } : best,
    }
    return record
  }

  /** After an epoch and its callbacks: the budget is spent, a callback ends it, or patience does. @returns why it ends early, or null */
  #decideEnd(): string | null {
    const { task } = this.#parts
    const { epoch, best } = this.#state
    const { patience } = this.#options
    const outOfPatience = task.validate !== null && patience !== null && epoch - (best?.epoch ?? epoch) >= patience
    const reason =
      this.#control.stopReason ??
      (outOfPatience ? `no improvement in ${patience} epochs; the best was epoch ${best?.epoch}` : null)
    this.#state = { ...this.#state, finished: this.#isBudgetSpent() || reason !== null }
    return this.#isBudgetSpent() ? null : reason
  }

  async #save(best: boolean): Promise<void> {
    const { networks, store } = this.#parts
    const { epoch, step, batchInEpoch } = this.#state
    const origin = brokenWeights(networks, true)
    if (origin !== '')
      throw this.#guard.weights(
        origin,
        { step, epoch: epoch + Math.sign(batchInEpoch) },
        await this.#parts.store.pointer('last'),
      )
    const path = await saveTraining(this.#parts, this.#stepper, this.#savedState(), best)
    if (this.#isAnchor(this.#state)) {
      this.#state = { ...this.#state, anchor: basename(path) }
      store.hold(basename(path))
    }
    this.#savedAt = performance.now()
  }

  /** Whether a rewind may go back to it: one that is written whether or not the process was ever stopped, not while steps overflow. */
  #isAnchor({ epoch, batchInEpoch, best, finished, scaler }: TrainingState): boolean {
    if (this.#nonFinite.policy !== 'rewind' || batchInEpoch > 0 || scaler.skipped > 0) return false
    const isDue = epoch % this.#options.snapshotEvery === 0 || finished || (best?.epoch ?? epoch) === epoch
    return isDue || this.#parts.task.validate === null
  }

  #savedState(): TrainingState {
    const { learningRateScale, addedSteps } = this.#control
    return { ...this.#state, learningRateScale, addedSteps, callbacks: statesOf(this.#callbacks) }
  }

  async #restore(snapshot: Snapshot): Promise<void> {
    const { network, thaw, rewinds: given } = this.#parts
    const saved = parseTrainingState(snapshot.state, snapshot.path)
    const isAnchor = this.#isAnchor(saved) || (saved.anchor === null && this.#nonFinite.policy === 'rewind')
    const rewinds = given ?? saved.rewinds
    this.#state = {
      ...saved,
      network,
      rewinds,
      anchor: isAnchor ? basename(snapshot.path) : saved.anchor,
      learningRateScale: saved.learningRateScale * this.#nonFinite.lrFactor ** (rewinds.length - saved.rewinds.length),
    }
    this.#control.resume(this.#state.learningRateScale, this.#state.addedSteps)
    for (const callback of this.#callbacks)
      if (Object.hasOwn(this.#state.callbacks, callback.name))
        await callback.restore?.(this.#state.callbacks[callback.name])
    const { epoch, batchInEpoch } = this.#state
    // An epoch thaws before its first step: a snapshot between two epochs was written by the optimizer of the earlier one.
    if (thaw != null && epoch + Math.sign(batchInEpoch) > thaw.afterEpochs) await this.#thaw(thaw)
    await loadTensors(this.#parts, snapshot, this.#stepper)
  }

  async #restoreBest(): Promise<boolean> {
    const { best, epoch } = this.#state
    if (best === null) return false
    if (best.epoch === epoch) return true // it is what is in memory
    const path = await this.#parts.store.pointer('best')
    if (path === null) return false
    // An optimizer of the frozen epochs knows nothing of the parameters that were thawed since.
    const { thaw } = this.#parts
    const fits = thaw == null || !this.#isThawed || best.epoch > thaw.afterEpochs
    await loadTensors(this.#parts, await readSnapshot(path), fits ? this.#stepper : null)
    return true
  }

  async #result(outcome: LoopResult['outcome']): Promise<LoopResult> {
    const { store } = this.#parts
    const last = (await store.pointer('last')) ?? store.folder
    return { outcome, state: this.#state, last, best: (await store.pointer('best')) ?? last }
  }
}
