/**
 * Runs a data set through a function and gathers what it says.
 */
import type { Tensor } from '../binding/index.ts'
import { DatasetError, ShapeError } from '../util/errors.ts'
import { noveltyNames, type Novelty, type NoveltyName, type Scores } from './scores.ts'

/** What is needed of a batch of the loader. */
export interface EvaluationBatch<Images> {
  readonly images: Images
  /** [N] */
  readonly labelValues: Int32Array
  /** [N] identities inside the full data set */
  readonly ids: Int32Array
  /** [N] positions in the data set */
  readonly indices: Int32Array
  dispose(): void
}

/** What is said of a batch. */
export interface Answer {
  /** [N, C], disposed of here */
  readonly logits: Pick<Tensor, 'shape' | 'data' | 'dispose'>
  /** the same detectors for every batch */
  readonly novelty?: Novelty
}

export interface CollectOptions<Images> {
  /** pictures of a batch → what is said of them, in evaluation mode and without gradients */
  readonly forward: (images: Images) => Promise<Answer>
  /** every sample once */
  readonly loader: {
    readonly batchesPerEpoch: number
    epoch(epoch: number): AsyncIterable<EvaluationBatch<Images>>
  }
  readonly dataset: {
    readonly classNames: readonly string[]
    at(index: number): { readonly path?: string }
  }
  readonly signal?: AbortSignal | undefined
  readonly onBatch?: ((done: number, total: number) => void) | undefined
}

/**
 * @throws {DatasetError} when the loader gives no sample
 * @throws {ShapeError} when the logits are not [N, C]
 * @throws the signal's reason once it is aborted
 */
export async function collectScores<Images>(options: CollectOptions<Images>): Promise<Scores> {
  const { forward, loader, dataset, signal, onBatch } = options
  const { classNames } = dataset
  const logits: Float32Array[] = []
  const novelty = new Map<NoveltyName, Float64Array[]>()
  const labels: number[] = []
  const ids: number[] = []
  const paths: (string | undefined)[] = []
  let batches = 0
  for await (const batch of loader.epoch(0)) {
    try {
      signal?.throwIfAborted()
      const answer = await forward(batch.images)
      logits.push(logitsOf(answer.logits, batch.labelValues.length, classNames.length))
      for (const name of noveltyNames) {
        const values = answer.novelty?.[name]
        if (values !== undefined) novelty.set(name, [...(novelty.get(name) ?? []), values])
      }
      labels.push(...batch.labelValues)
      ids.push(...batch.ids)
      for (const index of batch.indices) paths.push(dataset.at(index).path)
    } finally {
      batch.dispose()
    }
    onBatch?.(++batches, loader.batchesPerEpoch)
  }
  if (labels.length === 0) {
    throw new DatasetError('Expected at least 1 sample to evaluate, got 0. Check the split: it may be empty.')
  }
  const scores = {
    logits: concatenate(logits, Float32Array),
    labels: Int32Array.from(labels),
    ids: Int32Array.from(ids),
    classNames,
    ...(novelty.size === 0
      ? {}
      : {
          novelty: Object.fromEntries(
            Array.from(novelty, ([name, chunks]) => [name, concatenate(chunks, Float64Array)]),
          ),
        }),
  }
  return paths.some((path) => path !== undefined) ? { ...scores, paths } : scores
}

function logitsOf(
  tensor: Pick<Tensor, 'shape' | 'data' | 'dispose'>,
  samples: number,
  numClasses: number,
): Float32Array {
  try {
    const { shape } = tensor
    if (shape.length !== 2 || shape[0] !== samples || shape[1] !== numClasses) {
      throw new ShapeError(
        `Expected logits of [${samples}, ${numClasses}] (samples, classes), got [${shape.join(', ')}]. ` +
          'The model and the data set must have the same classes.',
      )
    }
    return Float32Array.from(tensor.data() as ArrayLike<number>)
  } finally {
    tensor.dispose()
  }
}

function concatenate<Values extends Float32Array | Float64Array>(
  chunks: readonly Values[],
  type: new (length: number) => Values,
): Values {
  const all = new type(chunks.reduce((sum, chunk) => sum + chunk.length, 0))
  let offset = 0
  for (const chunk of chunks) {
    all.set(chunk, offset)
    offset += chunk.length
  }
  return all
}
