/** Opens the data set and splits it; the split is saved with the run and used again by everything that continues it. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { loadSplit, openDataset, saveSplit } from '../../data/index.ts'
import { preparationOf, type Preparation } from '../../models/index.ts'
import { trainingPhaseNames } from '../context.ts'
import { withDownloads } from '../download-progress.ts'
import { namesWeights } from '../lineage.ts'
import type { Stage, StageContext } from '../orchestrator.ts'
import type { PipelineConfig } from '../pipeline-config.ts'

const splitFile = 'split.json'

export class DataLoaderStage implements Stage {
  readonly name: string = 'data'

  async run(context: StageContext): Promise<void> {
    const { config, run, parentRun, logger, signal, progress } = context
    const own = join(run.snapshots, splitFile)
    const earlier = [own, ...(parentRun === null ? [] : [join(parentRun.snapshots, splitFile)])].find((path) =>
      existsSync(path),
    )
    const preferred = await preparationOfWeights(config)
    context.data = await withDownloads(progress, async (report) =>
      openDataset(config.data, {
        seed: config.seed,
        imageSize: largestImageSize(config),
        preferred,
        logger,
        signal,
        split: earlier === undefined ? undefined : await loadSplit(earlier),
        progress: report,
      }),
    )
    if (earlier !== own) await saveSplit(own, context.data.indices)
    const { train, validation, test, mean, std, interpolation } = context.data
    logger.info(
      `data: ${config.data.dataset}, ${train.classNames.length} classes, ${train.length} training, ` +
        `${validation?.length ?? 0} validation and ${test.length} test images`,
    )
    if (preferred !== null)
      logger.info(
        `data: prepared for the weights that the run starts from: ${interpolation}, mean [${mean.join(', ')}], std [${std.join(', ')}]`,
      )
  }
}

/**
 * Of the weights that the run starts from, or without training evaluates or exports: those of `backbone`, else of the first phase that
 * names some.
 */
async function preparationOfWeights(config: PipelineConfig): Promise<Preparation | null> {
  const { backbone } = config
  const phases = trainingPhaseNames.map((name) => config[name as 'train'])
  const named = [
    backbone,
    ...phases.flatMap((options) => (options.enabled && options.backbone ? [options.backbone] : [])),
  ]
  for (const { name, pretrained } of named) {
    const found = await preparationOf(name, pretrained)
    if (found !== null) return found
  }
  for (const model of [config.evaluate.model, config.export.model])
    if (model !== null && (await namesWeights(model))) return preparationOf(backbone.name, model)
  return null
}

/** Pictures are kept at the largest size that a phase asks for. */
function largestImageSize(config: PipelineConfig): number | undefined {
  const sizes = trainingPhaseNames.flatMap((name) => {
    const options = config[name as 'train']
    return options.enabled && options.imageSize !== null ? [options.imageSize] : []
  })
  return config.data.imageSize ?? (sizes.length === 0 ? undefined : Math.max(...sizes))
}
