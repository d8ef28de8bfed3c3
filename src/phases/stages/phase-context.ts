/** From what the earlier stages left to what a phase is handed. */
import { evaluationPlan } from '../../augment/index.ts'
import { ConfigError } from '../../util/errors.ts'
import { trainingPhaseNames, type Phase, type PhaseContext } from '../context.ts'
import { settingsOf } from '../lineage-record.ts'
import type { StageContext } from '../orchestrator.ts'

/** @throws {ConfigError} when the data or model stage did not run before */
function phaseContext(context: StageContext, stage: string): PhaseContext {
  const { config, data, createBackbone } = context
  if (data === null)
    throw new ConfigError(
      `${stage}: expected data, but no stage before it loaded any. Add DataLoaderStage before ${stage}.`,
    )
  if (createBackbone === null)
    throw new ConfigError(
      `${stage}: expected a model, but no stage before it provides one. Add ModelLoaderStage before ${stage}.`,
    )
  return {
    run: context.run,
    parentRun: context.parentRun,
    settings: (phase) => settingsOf(config, phase),
    snapshotFallback: config.run.snapshotFallback,
    data,
    device: context.device,
    seed: config.seed,
    logger: context.logger.child({ stage }),
    signal: context.signal,
    progress: context.progress,
    callbacks: context.callbacks,
    ask: context.ask,
    resume: context.resume,
    defaults: {
      backbone: config.backbone,
      imageSize: data.imageSize,
      precision: config.precision,
      workers: config.data.workers,
      augmentations: trainingPhaseNames.map((name) => config[name as 'train'].augmentations),
      order: config.data,
    },
    createBackbone,
    passGraphs: context.passGraphs,
    trainingPlan: context.trainingPlan ?? ((request) => evaluationPlan(request)),
  }
}

export async function runPhase<Options>(
  phase: Phase<Options>,
  options: Options,
  context: StageContext,
  stage: string,
): Promise<void> {
  const result = await phase.run(options, phaseContext(context, stage))
  context.results.push(result)
  context.onResult(result)
}
