/** Phases, the pipeline that strings them together, and the orchestrator for pipelines of one's own. */
import { arcfacePhase } from './arcface.ts'
import type { Phase, PhaseName } from './context.ts'
import { distillPhase } from './distill.ts'
import { evaluatePhase } from './evaluate.ts'
import { exportPhase } from './export.ts'
import type { PipelineConfig } from './pipeline-config.ts'
import { supconPhase } from './supcon.ts'
import { trainPhase } from './train.ts'

export const phases: { readonly [Name in PhaseName]: Phase<PipelineConfig[Name]> } = {
  train: trainPhase,
  supcon: supconPhase,
  arcface: arcfacePhase,
  distill: distillPhase,
  evaluate: evaluatePhase,
  export: exportPhase,
}

export { startPipeline, type PipelineEvent, type PipelineRun } from './events.ts'
export type { Ask, Callback, StepEvent, TrainingControl } from '../train/index.ts'
export { augmentPreview, type PreviewOptions } from './augment-preview.ts'
export { phaseSeed } from './training-phase.ts'
export { phaseNames, predecessors, silentProgress, trainingPhaseNames } from './context.ts'
export type { Phase, PhaseContext, PhaseName, PhaseResult, ProgressReporter, RunPaths } from './context.ts'
export { PipelineOrchestrator } from './orchestrator.ts'
export type { OrchestratorOptions, PipelineResult, Stage, StageContext, StagePosition } from './orchestrator.ts'
export { pipelineFor, runPipeline, type RunPipelineOptions } from './pipeline.ts'
export { pipelineConfigSchema, type PipelineConfig, type PipelineConfigInput } from './pipeline-config.ts'
export { rehearse, type RehearsalOptions, type TrainingPhaseName } from './rehearsal.ts'
export { chooseRun, newestRun, runPaths, type RunChoice } from './run-folder.ts'
export * from './stages/index.ts'
export { reportedMetrics } from './reported-metrics.ts'
export { trackingHooks, type TrackingHooks } from './tracking-hooks.ts'
export { withDownloads } from './download-progress.ts'
