/** The pipeline that the command line runs: chosen phases as stages of the orchestrator. */
import { ConfigError } from '../util/errors.ts'
import { phaseNames, trainingPhaseNames, type PhaseName } from './context.ts'
import { PipelineOrchestrator, type OrchestratorOptions, type PipelineResult } from './orchestrator.ts'
import { expectAdapters, expectClassifier, expectWeights } from './lineage.ts'
import { pipelineShape, type PipelineConfig } from './pipeline-config.ts'
import { didYouMean } from '../util/suggest.ts'
import { chooseRun } from './run-folder.ts'
import { expectViews } from './test-time-views.ts'
import {
  AugmentationStage,
  DataLoaderStage,
  EvaluationStage,
  ModelLoaderStage,
  ModelStorageStage,
  PredictionStage,
  TrainingStage,
  VisualizationStage,
} from './stages/index.ts'

export interface RunPipelineOptions extends OrchestratorOptions {
  /** default: every phase whose section says enabled */
  readonly phases?: readonly PhaseName[]
}

/** The stages for `phases`, whatever their sections' `enabled` says, in the pipeline's order. */
export function pipelineFor(
  phases: readonly PhaseName[],
  config: Pick<PipelineConfig, 'predict'>,
): PipelineOrchestrator {
  const training = trainingPhaseNames.filter((name) => phases.includes(name))
  const pipeline = new PipelineOrchestrator()
    .addStage(new DataLoaderStage())
    .addStage(new AugmentationStage())
    .addStage(new ModelLoaderStage({ phases: training }))
  if (training.length > 0) pipeline.addStage(new TrainingStage({ phases: training })).addStage(new VisualizationStage())
  if (phases.includes('evaluate')) pipeline.addStage(new EvaluationStage())
  if (phases.includes('export')) pipeline.addStage(new ModelStorageStage())
  if (phases.includes('export') && config.predict.images !== null) pipeline.addStage(new PredictionStage())
  return pipeline
}

/**
 * Runs the phases of a checked configuration.
 *
 * @throws the six error classes; an abort of the signal is no error but the outcome `interrupted`
 */
export async function runPipeline(config: PipelineConfig, options: RunPipelineOptions = {}): Promise<PipelineResult> {
  const phases = options.phases ?? phaseNames.filter((name) => config[name as 'train'].enabled)
  if (phases.length === 0)
    throw new ConfigError(
      `pipeline: expected at least one of the phases ${phaseNames.join(', ')}, got none. Enable one.`,
    )
  const unknown = phases.find((name) => !phaseNames.includes(name))
  if (unknown !== undefined)
    throw new ConfigError(
      `pipeline: expected phases of ${phaseNames.join(', ')}, got "${unknown}".${didYouMean(unknown, phaseNames)}`,
    )
  // A caller's own sections (the command line's logging, say) are none of the pipeline's.
  const own = Object.fromEntries(Object.entries(config).filter(([key]) => key in pipelineShape))
  const runs =
    options.run ??
    chooseRun(config.run.directory, config.run.name, { phases, resume: options.resume ?? false, claim: false })
  const named = { evaluate: config.evaluate.model, export: config.export.model }
  await expectClassifier(phases, named, runs)
  expectAdapters(phases, config)
  expectViews(phases, config.evaluate)
  await expectWeights(phases, config, runs.run, options.resume ?? false)
  return pipelineFor(phases, config).run(own, options)
}
