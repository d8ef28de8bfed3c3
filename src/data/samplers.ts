/** Samplers: the order of indices in one epoch, as pure functions of (seed, epoch), so that a resume meets the same batches. */
import { ConfigError, DatasetError } from '../util/errors.ts'
import { permutation, philox4x32 } from '../util/rng.ts'
import type { SamplerName } from './options.ts'

export interface Sampler {
  /** Indices an epoch. */
  readonly length: number
  indices(epoch: number): Int32Array
}

/** What a sampler needs to know of a data set. */
export interface Labelled {
  readonly length: number
  readonly labels: Int32Array
  readonly classNames: readonly string[]
}

/** Every sample once, in a new order each epoch. */
export function randomSampler(dataset: { readonly length: number }, seed: number): Sampler {
  return { length: dataset.length, indices: (epoch) => permutation(dataset.length, seed, epoch) }
}

/** Every sample once, in the data set's order. */
export function sequentialSampler(dataset: { readonly length: number }): Sampler {
  return { length: dataset.length, indices: () => Int32Array.from({ length: dataset.length }, (_, index) => index) }
}

/**
 * Every class equally often, whatever its size: N draws an epoch, ⌊N / C⌋ or one more of each class, in a random order. Inside a class
 * every sample comes once before any comes again, so that large classes are seen in part and small ones several times.
 *
 * @throws {DatasetError} when a class is empty
 */
export function balancedSampler(dataset: Labelled, seed: number): Sampler {
  const classes = dataset.classNames.length
  const members: number[][] = Array.from({ length: classes }, () => [])
  dataset.labels.forEach((label, index) => members[label]?.push(index))
  const empty = members.findIndex((own) => own.length === 0)
  if (empty >= 0)
    throw new DatasetError(`class "${dataset.classNames[empty]}" has no images to draw. Add some, or remove the class.`)
  return {
    length: dataset.length,
    indices(epoch) {
      const drawn = new Int32Array(dataset.length)
      const draws = members.map((own, label) => memberDealer(own, derive(seed, label + 1), epoch))
      const deal = classDealer(classes, seed, epoch)
      for (let at = 0; at < drawn.length; at++) drawn[at] = (draws[deal(1)[0] as number] as () => number)()
      return permutation(drawn.length, derive(seed, 0x6d6978), epoch).map((place) => drawn[place] as number)
    },
  }
}

/**
 * Repeated augmentation, Hoffer et al. 2020 (arXiv 1901.09335), in DeiT's form: `repeats` versions of a picture follow each other,
 * so that a batch has several of it; an epoch still has N draws, of N / repeats pictures.
 */
export function repeatedSampler(dataset: { readonly length: number }, repeats: number, seed: number): Sampler {
  return {
    length: dataset.length,
    indices(epoch) {
      const order = permutation(dataset.length, seed, epoch)
      return Int32Array.from({ length: dataset.length }, (_, at) => order[Math.floor(at / repeats)] as number)
    },
  }
}

/** What `data.sampler` and `data.shuffleTrain` ask for. */
export function namedSampler(
  o: { readonly sampler: SamplerName; readonly samplerRepeats: number; readonly shuffleTrain: boolean },
  dataset: Labelled,
  batchSize: number,
  seed: number,
): Sampler {
  switch (o.sampler) {
    case 'balanced':
      return balancedSampler(dataset, seed)
    case 'm_per_class':
      return classBalancedSampler(dataset, { seed, batchSize, samplesPerClass: o.samplerRepeats })
    case 'repeated':
      return repeatedSampler(dataset, o.samplerRepeats, seed)
    case 'random':
      return o.shuffleTrain ? randomSampler(dataset, seed) : sequentialSampler(dataset)
  }
}

export interface ClassBalancedOptions {
  readonly seed: number
  readonly batchSize: number
  /** Samples of a class in a batch (the m of "m per class"), ≥ 1. */
  readonly samplesPerClass: number
  /** Default batchSize / samplesPerClass. */
  readonly classesPerBatch?: number
}

/**
 * Batches of `classesPerBatch` classes with `samplesPerClass` samples each, so that SupCon always finds positives.
 *
 * Classes come from shuffled decks, each dealt to its end before the next, so that all are seen equally often; inside a class
 * every sample comes once before any comes again. A batch repeats a class only when it holds more groups than there are classes.
 * A class with fewer than `samplesPerClass` samples repeats them. An epoch has ⌊N / batchSize⌋ batches, at least one.
 *
 * @throws {ConfigError}  when the three sizes do not fit each other
 * @throws {DatasetError} when a class has a single sample and samplesPerClass ≥ 2, or a class is empty
 */
export function classBalancedSampler(dataset: Labelled, options: ClassBalancedOptions): Sampler {
  const { seed, batchSize, samplesPerClass } = options
  const classes = dataset.classNames.length
  const groups = options.classesPerBatch ?? batchSize / samplesPerClass
  if (!Number.isInteger(groups) || groups * samplesPerClass !== batchSize || groups < 1) {
    const split =
      options.classesPerBatch === undefined
        ? `samples_per_class ${samplesPerClass} does not divide it`
        : `${options.classesPerBatch} classes of ${samplesPerClass} samples make ${options.classesPerBatch * samplesPerClass}`
    throw new ConfigError(`class-balanced batches: batch_size is ${batchSize} but ${split}. Change one of them.`)
  }
  const members: number[][] = Array.from({ length: classes }, () => [])
  dataset.labels.forEach((label, index) => members[label]?.push(index))
  members.forEach((own, label) => {
    if (own.length === 0 || (own.length === 1 && samplesPerClass > 1)) {
      throw new DatasetError(
        `class "${dataset.classNames[label]}" has ${own.length} image${own.length === 1 ? '' : 's'}; ` +
          `${samplesPerClass} a batch need at least ${Math.min(samplesPerClass, 2)}. ` +
          'Add images, remove the class, or set samples_per_class to 1.',
      )
    }
  })

  const batches = Math.max(1, Math.floor(dataset.length / batchSize))
  return {
    length: batches * batchSize,
    indices(epoch) {
      const order = new Int32Array(batches * batchSize)
      const deal = classDealer(classes, seed, epoch)
      const draws = members.map((own, label) => memberDealer(own, derive(seed, label + 1), epoch))
      let at = 0
      for (let batch = 0; batch < batches; batch++) {
        for (const label of deal(groups)) {
          for (let i = 0; i < samplesPerClass; i++) order[at++] = (draws[label] as () => number)()
        }
      }
      return order
    },
  }
}

/** Hands out classes from shuffled decks; a call avoids repeats as long as there are enough classes. */
function classDealer(classes: number, seed: number, epoch: number): (count: number) => number[] {
  let deck: number[] = []
  let decks = 0
  return (count) => {
    const hand: number[] = []
    const later: number[] = []
    while (hand.length < count) {
      if (deck.length === 0) deck = Array.from(permutation(classes, derive(seed, -++decks), epoch))
      const card = deck.shift() as number
      if (count <= classes && hand.includes(card)) later.push(card)
      else hand.push(card)
    }
    deck.unshift(...later)
    return hand
  }
}

/** Hands out the members of a class: each once, then all again in another order. */
function memberDealer(own: readonly number[], seed: number, epoch: number): () => number {
  let order: Int32Array = new Int32Array(0)
  let at = 0
  let rounds = 0
  return () => {
    if (at === order.length) {
      order = permutation(own.length, derive(seed, rounds++), epoch)
      at = 0
    }
    return own[order[at++] as number] as number
  }
}

/** Another seed for a purpose of its own. */
function derive(seed: number, purpose: number): number {
  const [low, high] = philox4x32([purpose >>> 0, 0x73616d70, 0, 0], [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0])
  return (high >>> 11) * 2 ** 32 + low // 53 bits: a safe integer
}
