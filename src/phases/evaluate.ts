/** Phase evaluate: scores of the test part, every metric and artefact computed from them. */
import { torch } from '../binding/index.ts'
import { Loader, sequentialSampler } from '../data/index.ts'
import { collectScores, evaluateScores, writeEvaluation } from '../evaluation/index.ts'
import { readHistory } from '../tracking/index.ts'
import { DatasetError, SnapshotError } from '../util/errors.ts'
import type { Phase, PhaseContext } from './context.ts'
import { classify, openClassifiers } from './ensemble.ts'
import { fitDetectors, noveltyOf } from './novelty.ts'
import { evaluateOptionsSchema, type EvaluatePhaseOptions } from './options/evaluate.ts'
import { resizeToFor } from './image-geometry.ts'
import type { NetworkSpec } from './networks.ts'
import { viewsPlan } from './test-time-views.ts'

export const evaluatePhase: Phase<EvaluatePhaseOptions> = {
  name: 'evaluate',
  summary: 'measures the trained classifier on held-out images',
  optionsSchema: evaluateOptionsSchema,
  async run(options, context) {
    const started = performance.now()
    const dataset = context.data[options.split]
    if (dataset === null || dataset.length === 0)
      throw new DatasetError(
        `evaluate: expected images in the ${options.split} part, it has none. Choose another evaluate.split.`,
      )
    const models = await openClassifiers(options, context)
    const [{ source: first, spec }] = models
    const source =
      models.length === 1 ? first : `${models.length} snapshots together: ${models.map((one) => one.source).join(', ')}`
    const { signal, progress } = context
    try {
      if (spec.classNames.join('\0') !== dataset.classNames.join('\0'))
        throw new SnapshotError(
          `evaluate: expected a classifier of ${named(dataset.classNames)}, but ${source} was trained on ` +
            `${named(spec.classNames)}. Evaluate it on the data it was trained for.`,
        )
      warnOfGeometry(spec, context)
      const { ttaRuns } = options
      const loader = new Loader({
        dataset,
        sampler: sequentialSampler(dataset),
        plan: viewsPlan(spec, dataset, options, context),
        batchSize: Math.max(1, Math.floor(Math.min(options.batchSize, ttaRuns * dataset.length) / ttaRuns)),
        views: ttaRuns,
        device: context.device,
      })
      const detectors = await fitDetectors(options, models[0], context)
      progress.start('evaluate', loader.batchesPerEpoch)
      const collected = await torch
        .noGrad(() =>
          collectScores({
            loader,
            dataset,
            signal,
            forward: (images) =>
              torch.scope(async () => {
                const { logits, first } = await classify(models, images, ttaRuns)
                return { logits, novelty: await noveltyOf(detectors, first) }
              }),
            onBatch: (done) => progress.update(done),
          }),
        )
        .finally(() => progress.stop())
      const scores = ttaRuns === 1 ? collected : { ...collected, ttaRuns }
      const metrics = await evaluateScores(scores, options)
      const files = await writeEvaluation(context.run.evalResults, scores, metrics, await readHistory(context.run.logs))
      context.logger.info(
        `evaluate: top-1 ${(metrics.top1 * 100).toFixed(2)} % of ${metrics.samples} ${options.split} images, ` +
          `calibration error ${metrics.ece.toFixed(4)}, from ${source}`,
      )
      signal.throwIfAborted()
      return {
        phase: 'evaluate',
        outcome: 'finished',
        snapshot: first,
        files,
        metrics,
        seconds: (performance.now() - started) / 1000,
      }
    } finally {
      for (const { pair } of models) pair.dispose()
    }
  },
}

/** Images are resampled when the data set is opened; that they come otherwise than in training is said. */
function warnOfGeometry(spec: NetworkSpec, { data, logger }: Pick<PhaseContext, 'data' | 'logger'>): void {
  const resizeTo = resizeToFor(data, spec.imageSize)
  if (resizeTo === spec.resizeTo && data.interpolation === spec.interpolation) return
  logger.warn(
    `evaluate: images are resampled to ${resizeTo} px, ${data.interpolation}, but the network was made with ${spec.resizeTo} px, ` +
      `${spec.interpolation}. Set data.resize_to and data.interpolation to that.`,
  )
}

function named(classNames: readonly string[]): string {
  const shown = classNames.slice(0, 3).join(', ')
  return `${classNames.length} classes (${shown}${classNames.length > 3 ? ', …' : ''})`
}
