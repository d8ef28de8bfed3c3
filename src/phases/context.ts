/**
 * What a phase is handed and what it gives back. The command line and the tests build a context; a phase never looks
 * further than this.
 */
import type { z } from 'zod'
import type { AugmentationOptions, AugmentPlan } from '../augment/index.ts'
import type { DataOptions, DatasetSplits } from '../data/index.ts'
import type { BackboneOptions, BackboneRequest, Model } from '../models/index.ts'
import type { Ask, Callback, PassGraph } from '../train/index.ts'
import type { Logger } from '../util/logger.ts'

export type PhaseName = 'train' | 'supcon' | 'arcface' | 'distill' | 'evaluate' | 'export'

/** In the order a pipeline runs them. */
export const phaseNames: readonly PhaseName[] = ['train', 'supcon', 'arcface', 'distill', 'evaluate', 'export']

/** The phases that change weights and leave snapshots. */
export const trainingPhaseNames: readonly PhaseName[] = ['train', 'supcon', 'arcface', 'distill']

/** Whose best snapshot a phase starts from (distill: learns from), nearest first. */
export const predecessors: Readonly<Record<PhaseName, readonly PhaseName[]>> = {
  train: [],
  supcon: [],
  arcface: ['supcon'],
  distill: ['arcface'],
  evaluate: ['distill', 'arcface', 'train'],
  export: ['distill', 'arcface', 'train'],
}

/** Where one run keeps its files. */
export interface RunPaths {
  readonly name: string
  /** the folder that holds snapshots/, logs/ and eval_results/ */
  readonly root: string
  /** snapshots/<run> */
  readonly snapshots: string
  /** logs/<run> */
  readonly logs: string
  /** eval_results/<run> */
  readonly evalResults: string
}

/** Shows how far a long operation is. The command line draws bars or prints lines; `silentProgress` does nothing. */
export interface ProgressReporter {
  start(label: string, total: number): void
  update(done: number, values?: Record<string, number | string>): void
  stop(): void
}

export const silentProgress: ProgressReporter = { start() {}, update() {}, stop() {} }

export type Precision = 'float32' | 'bfloat16' | 'float16'

/** What a phase asks for when it needs the augmentation of its training batches. */
export interface PlanRequest {
  readonly augmentations: AugmentationOptions
  readonly imageSize: number
  readonly inputHeight: number
  readonly inputWidth: number
  readonly mean: readonly number[]
  readonly std: readonly number[]
  readonly interpolation: 'bilinear' | 'bicubic'
  readonly seed: number
  /** view 0 of each picture stays clean: see `consistencyPlan` */
  readonly consistency?: boolean
}

export interface PhaseDefaults {
  readonly backbone: BackboneOptions
  readonly imageSize: number
  readonly precision: Precision
  /** data.workers; default: the number of processors */
  readonly workers?: number | undefined
  /** of every training phase's section; default: none is known */
  readonly augmentations?: readonly AugmentationOptions[]
  /** what an epoch of a phase without an order of its own draws, and in which order */
  readonly order: Pick<DataOptions, 'sampler' | 'samplerRepeats' | 'shuffleTrain'>
}

export interface PhaseContext {
  readonly run: RunPaths
  /** a run of the same name in which a predecessor's snapshot is looked for when `run` has none */
  readonly parentRun: RunPaths | null
  /** where snapshots go when the run's own folder takes none; default: nowhere */
  readonly snapshotFallback?: string | null
  /** what the result of a phase depends on, by key; default: not known, and a phase that had finished is not looked at again */
  readonly settings?: (phase: PhaseName) => Readonly<Record<string, unknown>>
  readonly data: DatasetSplits
  readonly device: string
  readonly seed: number
  readonly logger: Logger
  readonly signal: AbortSignal
  readonly progress: ProgressReporter
  /** told of every step and epoch of the training phases */
  readonly callbacks: readonly Callback[]
  /** puts a question to whoever watches; null: nobody does */
  readonly ask: Ask | null
  /** continue from the phase's `last` snapshot; a phase that had finished is not run again */
  readonly resume: boolean
  /** what a phase uses when its own option is null */
  readonly defaults: PhaseDefaults
  /** the pooled features of a backbone, without a classifier */
  readonly createBackbone: (request: BackboneRequest) => Promise<Model>
  readonly trainingPlan: (request: PlanRequest) => AugmentPlan
  /** what `compile` captures passes on; null or left out: CUDA graphs, and nothing on the CPU */
  readonly passGraphs?: (() => PassGraph) | null
}

export interface PhaseResult {
  readonly phase: PhaseName
  readonly outcome: 'finished' | 'interrupted' | 'already finished'
  /** the snapshot to go on from (training), or the one that was read (evaluate, export) */
  readonly snapshot: string | null
  /** files written for people to look at, absolute or relative to the working directory */
  readonly files: readonly string[]
  /** final numbers: of the best epoch (training), of the test set (evaluate), of the parity check (export) */
  readonly metrics: Readonly<Record<string, number>>
  readonly seconds: number
}

export interface Phase<Options = never> {
  readonly name: PhaseName
  /** one sentence for --plan and --help */
  readonly summary: string
  readonly optionsSchema: z.ZodType<Options>
  run(options: Options, context: PhaseContext): Promise<PhaseResult>
}
