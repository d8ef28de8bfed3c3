/**
 * The one training loop. A phase supplies a task; the loop does the rest, in this order each step:
 *
 *   batch → forward and loss → finite? → backward → clip, finite? → optimizer → average → callbacks → (interrupted?)
 *
 * and each epoch: validate (averaged weights where there are any) → history → callbacks → snapshot → stop early?
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { torch, type Tensor } from '../binding/index.ts'
import type { Batch } from '../data/index.ts'
import { durationInSteps, Ema, learningRateAt, Optimizer, parameterGroups, type Schedule } from '../optim/index.ts'
import { readSnapshot, type Snapshot } from '../snapshot/index.ts'
import { HistoryWriter, type EpochRecord } from '../tracking/index.ts'
import { isBetter } from './best-epoch.ts'
import type { Callback } from './callback.ts'
import { Control } from './control.ts'
import type { LoopOptions, LoopParts, LoopResult, Thaw } from './loop-parts.ts'
import { NonFiniteGuard } from './non-finite.ts'
import { emptySums, parseTrainingState, type EpochSums, type TrainingState } from './state.ts'
import type { StepOutput, Validation } from './task.ts'

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
  readonly #planned: Schedule
  readonly #callbacks: readonly Callback[]
  readonly #control: Control
  readonly #guard: NonFiniteGuard
  #state: TrainingState

  constructor(options: LoopOptions, parts: LoopParts) {
    this.#options = options
    this.#parts = parts
    const { networks, emaNetworks, loader, task } = parts
    const perEpoch = loader.batchesPerEpoch
    this.#planned = {
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
    this.#callbacks = parts.callbacks ?? []
    this.#control = new Control(perEpoch, () => this.#restoreBest())
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
      learningRateScale: 1,
      addedSteps: 0,
      callbacks: {},
      network: parts.network,
    }
  }

  /** As planned, and lengthened by callbacks. */
  get #schedule(): Schedule {
    return { ...this.#planned, totalSteps: this.#planned.totalSteps + this.#control.addedSteps }
  }

  #learningRateAt(step: number): number {
    return learningRateAt(this.#schedule, step) * this.#control.learningRateScale
  }

  get #totalEpochs(): number {
    return Math.ceil(this.#schedule.totalSteps / this.#parts.loader.batchesPerEpoch)
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
    const { signal, task, logs, logger } = this.#parts
    if (this.#parts.resumeFrom !== null) await this.#restore(this.#parts.resumeFrom)
    for (const callback of this.#callbacks) await callback.onStart?.({ phase: task.name, epochs: this.#totalEpochs })
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
      if (signal.aborted || this.#isBudgetSpent() || this.#control.stopReason !== null) return
    }
  }

  #isBudgetSpent(): boolean {
    return this.#state.step >= this.#schedule.totalSteps
  }

  async #trainStep(batch: Batch): Promise<void> {
    const { task, networks } = this.#parts
    const { step, epoch, sums } = this.#state
    const at = { step: step + 1, epoch: epoch + 1 }
    const learningRate = this.#learningRateAt(step)
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
    const event = {
      ...at,
      totalSteps: this.#schedule.totalSteps,
      totalEpochs: this.#totalEpochs,
      loss,
      parts: output.parts,
      learningRate,
      gradientNorm,
    }
    for (const callback of this.#callbacks) await callback.onStepEnd?.(event, this.#control)
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
      lr: this.#learningRateAt(Math.max(0, step - 1)),
      train_loss: sums.loss / samples,
      train_accuracy: sums.correct === null ? null : sums.correct / samples,
      val_loss: validation.loss,
      val_accuracy: validation.accuracy,
      images_per_second: Number((sums.samples / Math.max(1e-9, sums.seconds)).toFixed(1)),
    }
    const opinion = this.#callbacks.find((callback) => 'isBest' in callback)
    const { best } = this.#state
    const improved = best === null || (opinion?.isBest?.(record) ?? isBetter(validation, best, this.#options.monitor))
    this.#state = {
      ...this.#state,
      epoch,
      stepInEpoch: 0,
      sums: emptySums,
      best: improved ? { epoch, ...validation } : best,
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
    const { store, networks, emaNetworks, network, task } = this.#parts
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
      const remembered = task.state?.()
      if (remembered !== undefined && remembered.size > 0) parts.set('task', remembered)
      await store.save(
        name,
        { parts, state: this.#savedState(), order: step, metadata: { format: 'pt', trivium: JSON.stringify(network) } },
        { best },
      )
    })
  }

  #savedState(): TrainingState {
    const { learningRateScale, addedSteps } = this.#control
    const keeping = this.#callbacks.filter((callback) => 'state' in callback)
    const callbacks = Object.fromEntries(keeping.map((callback) => [callback.name, callback.state?.()]))
    return { ...this.#state, learningRateScale, addedSteps, callbacks }
  }

  async #restore(snapshot: Snapshot): Promise<void> {
    const { network, thaw } = this.#parts
    this.#state = { ...parseTrainingState(snapshot.state, snapshot.path), network }
    this.#control.resume(this.#state.learningRateScale, this.#state.addedSteps)
    for (const callback of this.#callbacks)
      if (Object.hasOwn(this.#state.callbacks, callback.name)) callback.restore?.(this.#state.callbacks[callback.name])
    const { epoch, stepInEpoch } = this.#state
    // An epoch thaws before its first step: a snapshot between two epochs was written by the optimizer of the earlier one.
    if (thaw != null && epoch + Math.sign(stepInEpoch) > thaw.afterEpochs) await this.#thaw(thaw)
    await this.#load(snapshot, true)
  }

  async #restoreBest(): Promise<boolean> {
    const { best, epoch } = this.#state
    if (best === null) return false
    if (best.epoch === epoch) return true // it is what is in memory
    const path = await this.#parts.store.pointer('best')
    if (path === null) return false
    // An optimizer of the frozen epochs knows nothing of the parameters that were thawed since.
    const { thaw } = this.#parts
    await this.#load(await readSnapshot(path), thaw == null || !this.#isThawed || best.epoch > thaw.afterEpochs)
    return true
  }

  async #load(snapshot: Snapshot, withOptimizer: boolean): Promise<void> {
    const { networks, emaNetworks, task } = this.#parts
    await torch.scope(async () => {
      await networks.backbone.loadStateDict(await snapshot.load('backbone'))
      await networks.head.loadStateDict(await snapshot.load('head'))
      await emaNetworks?.backbone.loadStateDict(await snapshot.load('ema_backbone'))
      await emaNetworks?.head.loadStateDict(await snapshot.load('ema_head'))
      if (withOptimizer) await this.#optimizer.loadState(await snapshot.load('optimizer'))
      if (snapshot.parts.includes('task')) await task.restore?.(await snapshot.load('task'))
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
