/**
 * What all training phases have in common: networks, averaged networks, starting weights, loader, snapshots, and the call of the
 * one loop. A phase adds its recipe.
 */
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { torch } from '../binding/index.ts'
import { evaluationPlan, localCropAugmentations, type AugmentationOptions, type AugmentPlan } from '../augment/index.ts'
import { Loader, namedSampler, sequentialSampler, type Dataset, type Sampler } from '../data/index.ts'
import { hasAdapters } from '../models/index.ts'
import { cycleEndedAt, scheduleOptions } from '../optim/index.ts'
import { findSnapshot, LastingSnapshots, type Snapshots } from '../snapshot/index.ts'
import {
  ControlFile,
  HaltPrompt,
  LearningRateAdjuster,
  parseTrainingState,
  runTraining,
  trainWithRewinds,
  withBestNamed,
  type Beginning,
  type Callback,
  type LoopResult,
  type Thaw,
  type TrainingState,
  type TrainingTask,
} from '../train/index.ts'
import { ConfigError } from '../util/errors.ts'
import { adopt, adoptable, startingBackbone } from './adopt.ts'
import { predecessors, type PhaseContext, type PhaseName, type PhaseResult, type Precision } from './context.ts'
import { checkDevice, graphsOf } from './device-limits.ts'
import { freezeBackbone } from './freezing.ts'
import { resizeToFor } from './image-geometry.ts'
import { writeLineage } from './lineage-record.ts'
import { startingSnapshot } from './lineage.ts'
import { buildNetworks, withoutPretrained } from './networks.ts'
import type { HeadSpec, NetworkPair, NetworkSpec } from './networks.ts'
import { checkMicroBatch } from './micro-batch.ts'
import type { LabelLossKind } from './options/label-loss.ts'
import type { LocalCropOptions } from './options/supcon.ts'
import { loopOptions } from './options/loop-options.ts'
import type { TrainingOptions } from './options/training.ts'
import { progressCallback } from './progress-callback.ts'
import { currentLineage, setAsideStale } from './skip.ts'
import { warnOfWarmup } from './warm-up.ts'

export interface TaskParts {
  readonly spec: NetworkSpec
  readonly pair: NetworkPair
  /** the running average of `pair`; null where none is kept */
  readonly emaPair: NetworkPair | null
  readonly precision: Precision
  /** every validation sample once; null when there is none or it is not wanted */
  readonly validation: Loader | null
}

export interface Recipe {
  readonly name: PhaseName
  readonly head: HeadSpec
  readonly logitScale: number
  /** augmented versions of each image in a batch */
  readonly views: number
  /** view 0 of each image is clean, the others are augmented versions of its crop */
  readonly consistency?: boolean
  /** more views of each image, as small crops of `imageSize` pixels */
  readonly localCrops?: LocalCropOptions | null
  /** default: every sample once, in a new random order each epoch */
  readonly sampler?: (dataset: Dataset, batchSize: number, seed: number) => Sampler
  task(parts: TaskParts): TrainingTask | Promise<TrainingTask>
  /** the loss on the labels; left out where there is none */
  readonly labelLoss?: LabelLossKind
  /** after the loop, whatever its outcome */
  dispose?(): void
}

export async function runTrainingPhase(
  recipe: Recipe,
  options: TrainingOptions,
  context: PhaseContext,
): Promise<PhaseResult> {
  const started = performance.now()
  const { name } = recipe
  checkDevice(name, options, context)
  const folder = join(context.run.snapshots, name)
  const open = (): Promise<LastingSnapshots> =>
    LastingSnapshots.open(folder, {
      fallback: context.snapshotFallback ?? null,
      keep: options.keep,
      cycleOf: cycleOf(options),
      logger: context.logger,
    })
  let store = await open()
  let resumeFrom = context.resume ? await store.newestReadable() : null
  const lineage = await currentLineage(name, options, context)
  if (resumeFrom !== null) {
    const state = parseTrainingState(resumeFrom.state, resumeFrom.path)
    if (await setAsideStale(folder, lineage, state.finished, context)) {
      store = await open()
      resumeFrom = null
    } else {
      resumeFrom = await withBestNamed(store, resumeFrom, context.logger)
      if (state.finished) {
        context.logger.info(`${name}: already finished after ${state.epoch} epochs, and unchanged`)
        const best = (await findSnapshot(store.folder)) ?? resumeFrom.path
        return { ...resultOf(name, state, best, started), outcome: 'already finished' }
      }
    }
  }
  if (lineage !== null) await writeLineage(folder, lineage)
  const loop = await trainWithRewinds(resumeFrom, (beginning) => attempt(recipe, options, context, store, beginning))
  return {
    ...resultOf(name, loop.state, loop.outcome === 'finished' ? loop.best : loop.last, started),
    outcome: loop.outcome,
  }
}

/** Builds the networks anew, and trains them to the end. */
async function attempt(
  recipe: Recipe,
  options: TrainingOptions,
  context: PhaseContext,
  store: Snapshots,
  beginning: Beginning,
): Promise<LoopResult> {
  const { name } = recipe
  const { resumeFrom } = beginning
  const spec = specFor(recipe, options, context)
  const pairs: NetworkPair[] = []
  const build = async (network: NetworkSpec): Promise<NetworkPair> => {
    const pair = await buildNetworks(network, context)
    pairs.push(pair)
    return pair
  }
  try {
    const starting =
      resumeFrom === null
        ? await startingSnapshot(name, { path: options.initFrom, option: `${name}.init_from` }, context)
        : null
    if (starting === null && resumeFrom === null && predecessors[name].length > 0)
      context.logger.info(
        `${name}: starts from fresh weights; there is no snapshot of ${predecessors[name].join(' or ')}`,
      )
    const adopted =
      starting !== null && adoptable(name, starting, spec, options.initFrom !== null, context) ? starting : null
    const ownWeights = adopted === null && resumeFrom === null
    const pair = await build(ownWeights ? spec : { ...spec, backbone: startingBackbone(spec, adopted) })
    if (adopted !== null) await adopt(name, adopted, pair, spec, context)
    else if (ownWeights && spec.backbone.pretrained === false && hasAdapters(spec.backbone))
      context.logger.warn(`${name}: adapters are trained on a backbone with random weights, which stay as they are`)
    const averages = (options.emaDecay ?? 0) > 0 || options.swa !== false
    const emaPair = averages ? await build({ ...spec, backbone: withoutPretrained(spec.backbone) }) : null
    if (emaPair !== null) {
      await torch.scope(async () => {
        await emaPair.backbone.loadStateDict(pair.backbone.stateDict())
        await emaPair.head.loadStateDict(pair.head.stateDict())
      })
    }
    const precision = options.precision ?? context.defaults.precision
    const validation = options.useValidation ? validationLoader(spec, options, context) : null
    if (options.earlyStopping && validation === null)
      throw new ConfigError(
        `${name}.early_stopping: expected a validation part, which it watches, and there is none. ` +
          'Set data.validation_fraction, or remove the key.',
        { option: [name, 'earlyStopping'] },
      )
    const task = await recipe.task({ spec, pair, emaPair, precision, validation })
    const thaw = await freezeBackbone(name, pair.backbone, options, context.logger)
    checkMicroBatch(name, options, recipe.labelLoss ?? null, {
      networks: [pair.backbone, pair.head],
      logger: context.logger,
    })
    return await trainWithProgress(task, { recipe, options, context, spec, store, pair, emaPair, beginning, thaw })
  } finally {
    recipe.dispose?.()
    for (const pair of pairs) pair.dispose()
  }
}

/** Of a snapshot between two epochs, the cycle that its epoch ended, where cycle ends are kept. */
function cycleOf(options: TrainingOptions): (state: object) => number {
  const { keepCycles, cycleEpochs, cycleMultiplier } = scheduleOptions(options.schedule)
  if (keepCycles !== true || cycleEpochs === null) return () => 0
  const cycles = { warmupEpochs: options.warmupEpochs ?? 0, cycleEpochs, cycleMultiplier: cycleMultiplier ?? 1 }
  return (state) => {
    const { epoch, batchInEpoch } = state as Pick<TrainingState, 'epoch' | 'batchInEpoch'>
    return batchInEpoch === 0 ? cycleEndedAt(epoch, cycles) : 0
  }
}

interface LoopSetup {
  readonly recipe: Recipe
  readonly options: TrainingOptions
  readonly context: PhaseContext
  readonly spec: NetworkSpec
  readonly store: Snapshots
  readonly pair: NetworkPair
  readonly emaPair: NetworkPair | null
  readonly beginning: Beginning
  readonly thaw: Thaw | null
}

async function trainWithProgress(task: TrainingTask, setup: LoopSetup): Promise<LoopResult> {
  const { recipe, options, context, spec, pair, emaPair } = setup
  const { logger, signal, run } = context
  const loader = trainingLoader(recipe, spec, options, context)
  const lengths = { epochs: options.epochs, steps: options.steps, examples: options.examples }
  const [unit, count] = Object.entries(lengths).find(([, value]) => value !== null) ?? ['epochs', 0]
  const perStep = `${loader.batchSize}${options.accumulation === 1 ? '' : ` × ${options.accumulation}`}`
  logger.info(
    `${recipe.name}: ${spec.backbone.name} with a ${spec.head.kind} head, ${parameterCounts(pair)}, ` +
      `${loader.dataset.length} images of ${spec.imageSize} px, ${count} ${unit} of ${perStep} a step`,
  )
  const shown = progressCallback(recipe.name, context)
  const settings = loopOptions(options, { seed: context.seed, precision: context.defaults.precision })
  warnOfWarmup(recipe.name, settings, loader, logger)
  try {
    return await runTraining(settings, {
      task,
      networks: pair,
      emaNetworks: emaPair,
      loader,
      store: setup.store,
      logs: run.logs,
      logger,
      signal,
      ...setup.beginning,
      network: spec,
      thaw: setup.thaw,
      callbacks: [shown, ...callbacksOf(recipe.name, options, context)],
      graphs: graphsOf(options, context),
    })
  } finally {
    shown.stop()
  }
}

/**
 * Those that the configuration asks for, and the user's own.
 *
 * @throws {ConfigError} when two that keep something have one name: snapshots would hold one of them only
 */
function callbacksOf(
  name: PhaseName,
  { lra, askEpoch }: TrainingOptions,
  { logger, ask, run, callbacks }: PhaseContext,
): Callback[] {
  const control = join(run.logs, 'control.json')
  if (askEpoch !== null && ask === null)
    logger.info(`${name}.ask_epoch: nobody is at a terminal to be asked; {"halt": true} in ${control} ends the phase`)
  const all: Callback[] = [
    new ControlFile(control, logger),
    ...(lra === null ? [] : [new LearningRateAdjuster(lra, logger)]),
    ...(askEpoch === null || ask === null ? [] : [new HaltPrompt(askEpoch, ask)]),
    ...callbacks,
  ]
  const names = all.filter((callback) => callback.state !== undefined).map((callback) => callback.name)
  const twice = names.find((own, at) => names.indexOf(own) !== at)
  if (twice !== undefined)
    throw new ConfigError(
      `callbacks: expected different names for those with a state, got "${twice}" twice. Give one another name.`,
    )
  return all
}

/** "11181642 parameters (5130 trained, 11176512 frozen)". */
function parameterCounts({ backbone, head }: NetworkPair): string {
  const infos = [backbone.info, head.info]
  const all = infos.reduce((sum, { parameterCount }) => sum + parameterCount, 0)
  const trained = infos.reduce((sum, { trainableParameterCount }) => sum + trainableParameterCount, 0)
  return `${all} parameters (${trained} trained, ${all - trained} frozen)`
}

function specFor(recipe: Recipe, options: TrainingOptions, context: PhaseContext): NetworkSpec {
  const { data, defaults } = context
  const imageSize = options.imageSize ?? defaults.imageSize
  return {
    backbone: options.backbone ?? defaults.backbone,
    imageSize,
    resizeTo: resizeToFor(data, imageSize),
    interpolation: data.interpolation,
    mean: data.mean,
    std: data.std,
    classNames: data.train.classNames,
    head: recipe.head,
    logitScale: recipe.logitScale,
  }
}

function trainingLoader(recipe: Recipe, spec: NetworkSpec, options: TrainingOptions, context: PhaseContext): Loader {
  const { data, device, seed } = context
  const dataset = data.train
  const batchSize = Math.min(options.batchSize, dataset.length)
  const planFor = (augmentations: AugmentationOptions, imageSize: number): AugmentPlan =>
    context.trainingPlan({
      augmentations,
      consistency: recipe.consistency ?? false,
      imageSize,
      inputHeight: dataset.height,
      inputWidth: dataset.width,
      mean: spec.mean,
      std: spec.std,
      interpolation: spec.interpolation,
      // each phase draws its own sequence
      seed: phaseSeed(seed, recipe.name),
    })
  const plan = planFor(options.augmentations, spec.imageSize)
  const local = recipe.localCrops ?? null
  const localCrops =
    local === null
      ? undefined
      : {
          plan: planFor(localCropAugmentations(options.augmentations, local.scale), local.imageSize),
          views: local.views,
        }
  const sampler = (recipe.sampler ?? namedSampler.bind(null, context.defaults.order))(
    dataset,
    batchSize,
    phaseSeed(seed, recipe.name),
  )
  if (sampler.length < batchSize)
    throw new ConfigError(
      `${recipe.name}: expected at least one batch of ${batchSize}, the sampler gives ${sampler.length} images. Lower batch_size.`,
    )
  // A last batch of a few images would have noisy batch statistics, and of one image none at all.
  return new Loader({
    dataset,
    sampler,
    plan,
    batchSize,
    views: recipe.views,
    localCrops,
    dropLast: true,
    device,
    threads: augmentationThreads(device, context.defaults.workers),
  })
}

/**
 * How many threads augment. On the processor a step takes hundreds of times as long as the augmentation of its batch, and a second
 * thread would take its cores; a GPU leaves the cores free, and may wait for a single thread.
 */
export function augmentationThreads(device: string, workers: number | undefined): number {
  return device === 'cpu' ? 1 : (workers ?? availableParallelism())
}

/** Each phase draws its own sequence. */
export function phaseSeed(seed: number, phase: PhaseName): number {
  const offsets: Record<PhaseName, number> = { train: 1, supcon: 2, arcface: 3, distill: 4, evaluate: 5, export: 6 }
  return seed * 16 + offsets[phase]
}

function validationLoader(spec: NetworkSpec, options: TrainingOptions, context: PhaseContext): Loader | null {
  const { data, device } = context
  const dataset = data.validation
  if (dataset === null || dataset.length === 0) return null
  const plan = evaluationPlan({
    imageSize: spec.imageSize,
    inputHeight: dataset.height,
    inputWidth: dataset.width,
    mean: spec.mean,
    std: spec.std,
    interpolation: spec.interpolation,
  })
  const batchSize = Math.min(Math.max(options.batchSize, 128), dataset.length)
  return new Loader({ dataset, sampler: sequentialSampler(dataset), plan, batchSize, device })
}

function resultOf(
  phase: PhaseName,
  state: TrainingState,
  snapshot: string,
  started: number,
): Omit<PhaseResult, 'outcome'> {
  const { best, epoch, step } = state
  return {
    phase,
    snapshot,
    files: [],
    metrics: {
      epochs: epoch,
      steps: step,
      ...(best === null ? {} : { bestEpoch: best.epoch }),
      ...(best?.accuracy == null ? {} : { validationAccuracy: best.accuracy }),
      ...(best?.loss == null ? {} : { validationLoss: best.loss }),
    },
    seconds: (performance.now() - started) / 1000,
  }
}
