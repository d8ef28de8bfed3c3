/** Detectors of the evaluation: fitted to the training part as the network sees it without augmentation, asked of every batch. */
import { evaluationPlan } from '../augment/index.ts'
import { torch, type Tensor } from '../binding/index.ts'
import { Loader, type Dataset } from '../data/index.ts'
import type { Novelty, NoveltyName } from '../evaluation/index.ts'
import { MahalanobisDetector, VimDetector, type Detector, type DetectorTrainingInput } from '../ood/index.ts'
import { ConfigError, DatasetError } from '../util/errors.ts'
import type { PhaseContext } from './context.ts'
import { classify, type Classified } from './ensemble.ts'
import type { EvaluatePhaseOptions } from './options/evaluate.ts'
import type { TrainedModel } from './trained-model.ts'

type Wanted = Pick<
  EvaluatePhaseOptions,
  'batchSize' | 'computeMahalanobis' | 'mahalanobisNormalize' | 'mahalanobisRelative' | 'computeVim' | 'vimDimension'
>

export type Detectors = readonly { readonly name: NoveltyName; readonly detector: Detector }[]

/** Statistics of more pictures change little; their features lie in memory. */
const mostPictures = 200_000

/**
 * The detectors that are asked for, fitted to features and logits of the training part: of all of it up to 200,000 pictures, of so many spread
 * evenly over a larger one.
 *
 * @throws {ConfigError} naming the key that does not fit the network
 * @throws {DatasetError} when the training part does not suffice
 */
export async function fitDetectors(options: Wanted, model: TrainedModel, context: PhaseContext): Promise<Detectors> {
  const detectors = torch.scope(() => made(options, model))
  if (detectors.length === 0) return []
  const train = await trainingOutputs(options, model, context)
  for (const { name, detector } of detectors)
    await detector.fit(train).catch((error: unknown) => {
      throw error instanceof DatasetError
        ? new DatasetError(`evaluate.compute_${name}: ${error.message}`, { cause: error })
        : error
    })
  return detectors
}

/** What the detectors say of a batch, from the features and logits of its pictures; undefined without a detector. */
export async function noveltyOf(detectors: Detectors, { features, logits }: Classified['first']): Promise<Novelty> {
  const novelty: Partial<Record<NoveltyName, Float64Array>> = {}
  if (detectors.length === 0) return novelty
  const input = { features: matrixOf(features), logits: matrixOf(logits) }
  for (const { name, detector } of detectors) novelty[name] = (await detector.score(input)).map((score) => -score)
  return novelty
}

function made(options: Wanted, { pair, spec }: TrainedModel): Detectors {
  const detectors: { name: NoveltyName; detector: Detector }[] = []
  if (options.computeMahalanobis) {
    const { mahalanobisNormalize: normalize, mahalanobisRelative: relative } = options
    detectors.push({ name: 'mahalanobis', detector: new MahalanobisDetector({ normalize, relative }) })
  }
  if (options.computeVim) {
    const { vimDimension: dimension } = options
    if (dimension !== null && dimension >= pair.numFeatures)
      throw new ConfigError(
        `evaluate.vim_dimension: expected less than the network's ${pair.numFeatures} features, got ${dimension}.`,
        { option: ['evaluate', 'vimDimension'] },
      )
    // A cosine head sees directions alone and has no bias: s·W/‖W‖ acts on x/‖x‖, about 0.
    const normalize = spec.head.kind === 'cosine'
    const detector = new VimDetector({ dimension, normalize, classifier: normalize ? null : classifierOf(pair) })
    detectors.push({ name: 'vim', detector })
  }
  return detectors
}

/** Weight and bias of a linear head. */
function classifierOf({ head, numFeatures }: TrainedModel['pair']): {
  weight: { values: Float32Array; columns: number }
  bias: Float32Array
} {
  const state = head.stateDict()
  const values = (name: string): Float32Array => state.get(name)?.to('cpu').data() as Float32Array
  return { weight: { values: values('fc.weight'), columns: numFeatures }, bias: values('fc.bias') }
}

async function trainingOutputs(
  { batchSize }: Wanted,
  model: TrainedModel,
  context: PhaseContext,
): Promise<DetectorTrainingInput> {
  const { spec, pair } = model
  const { progress, signal, logger, data } = context
  const { train } = data
  if (train.length === 0)
    throw new DatasetError('evaluate: expected training pictures to fit the detectors to, the training part has none.')
  const count = Math.min(train.length, mostPictures)
  const loader = loaderOf(train, count, Math.min(batchSize, count), model, context)
  const numClasses = spec.classNames.length
  const features = new Float32Array(count * pair.numFeatures)
  const logits = new Float32Array(count * numClasses)
  const labels = new Int32Array(count)
  logger.info(`evaluate: fits ${count === train.length ? 'all' : `${count} of`} ${train.length} training pictures`)
  progress.start('fit', loader.batchesPerEpoch)
  let row = 0
  let batches = 0
  try {
    for await (const batch of loader.epoch(0)) {
      try {
        signal.throwIfAborted()
        await torch.noGrad(() =>
          torch.scope(async () => {
            const { first } = await classify([model], batch.images)
            features.set(matrixOf(first.features).values, row * pair.numFeatures)
            logits.set(matrixOf(first.logits).values, row * numClasses)
          }),
        )
        labels.set(batch.labelValues, row)
        row += batch.size
      } finally {
        batch.dispose()
      }
      progress.update(++batches)
    }
  } finally {
    progress.stop()
  }
  return {
    labels,
    features: { values: features, columns: pair.numFeatures },
    logits: { values: logits, columns: numClasses },
  }
}

function loaderOf(
  dataset: Dataset,
  count: number,
  batchSize: number,
  { spec }: TrainedModel,
  { device }: Pick<PhaseContext, 'device'>,
): Loader {
  const { imageSize, mean, std, interpolation } = spec
  const plan = evaluationPlan({
    ...{ imageSize, mean, std, interpolation },
    inputHeight: dataset.height,
    inputWidth: dataset.width,
  })
  const spread = Int32Array.from({ length: count }, (_, i) => Math.floor((i * dataset.length) / count))
  return new Loader({ dataset, sampler: { length: count, indices: () => spread }, plan, batchSize, device })
}

function matrixOf(tensor: Tensor): { values: Float32Array; columns: number } {
  return { values: tensor.data() as Float32Array, columns: tensor.shape[1] ?? 1 }
}
