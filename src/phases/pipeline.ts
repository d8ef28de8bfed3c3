/** The pipeline that the command line runs: chosen phases as stages of the orchestrator. */
import { ConfigError } from '../util/errors.ts'
import { phaseNames, trainingPhaseNames, type PhaseName } from './context.ts'
import {
  checkedConfig,
  orchestratorOptionNames,
  PipelineOrchestrator,
  type OrchestratorOptions,
  type PipelineResult,
} from './orchestrator.ts'
import { expectAdapters, expectClassifier, expectWeights } from './lineage.ts'
import { idlePatience } from './options/idle-patience.ts'
import { pipelineShape, type PipelineConfig, type PipelineConfigInput } from './pipeline-config.ts'
import { checkOptionNames } from '../util/option-names.ts'
import { didYouMean, nearest } from '../util/suggest.ts'
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
 * Runs the phases of a configuration; what it leaves out has its default.
 *
 * @throws the six error classes; an abort of the signal is no error but the outcome `interrupted`
 */
export async function runPipeline(
  input: PipelineConfigInput,
  options: RunPipelineOptions = {},
): Promise<PipelineResult> {
  checkOptionNames('runPipeline', options, { phases: true, ...orchestratorOptionNames })
  const { phases: named, ...others } = options
  const config = checkedConfig(ownSections(input))
  const phases = named ?? phaseNames.filter((name) => config[name as 'train'].enabled)
  const isList: boolean = Array.isArray(phases) // which would make it a list of anything
  if (!isList) throw new ConfigError(`pipeline: expected phases to be a list of names, got ${JSON.stringify(phases)}.`)
  if (phases.length === 0)
    throw new ConfigError(
      `pipeline: expected at least one of the phases ${phaseNames.join(', ')}, got none. Enable one.`,
    )
  for (const notice of idlePatience(input, phases)) options.logger?.warn(notice)
  const unknown = phases.find((name) => !phaseNames.includes(name))
  if (unknown !== undefined)
    throw new ConfigError(
      `pipeline: expected phases of ${phaseNames.join(', ')}, got "${unknown}".${didYouMean(unknown, phaseNames)}`,
    )
  const runs =
    options.run ??
    chooseRun(config.run.directory, config.run.name, { phases, resume: options.resume ?? false, claim: false })
  await expectClassifier(phases, { evaluate: config.evaluate.model, export: config.export.model }, runs)
  expectAdapters(phases, config)
  expectViews(phases, config.evaluate)
  await expectWeights(phases, config, runs.run, options.resume ?? false)
  return pipelineFor(phases, config).run(config, others)
}

/**
 * A caller's own sections (the command line's logging, say) are none of the pipeline's.
 *
 * @throws {ConfigError} for one whose name is nearly that of a section: it would be left out, and nobody would notice
 */
function ownSections(config: object): PipelineConfigInput {
  const sections = Object.keys(pipelineShape)
  for (const key of Object.keys(config)) {
    const meant = sections.includes(key) ? null : nearest(key, sections)
    if (meant !== null)
      throw new ConfigError(
        `the configuration does not fit: expected the sections ${sections.join(', ')}, got "${key}". Did you mean "${meant}"?`,
      )
  }
  return Object.fromEntries(Object.entries(config).filter(([key]) => sections.includes(key)))
}
