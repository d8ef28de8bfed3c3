/**
 * Functional analysis of variance over a random forest. Hutter, Hoos & Leyton-Brown 2014, "An Efficient Approach for Assessing
 * Hyperparameter Importance", algorithms 1 and 2: the leaves of a tree tile the box, so that its marginals and their variances are
 * sums over leaves, without sampling.
 */
import { keyedRng } from '../random.ts'
import { contains, growTree, measure, type Dimension, type Leaf, type Samples } from './tree.ts'

/** The trees' leaves. */
export type Forest = readonly (readonly Leaf[])[]

const FOREST_TREES = 64

/** Trees over bootstrap samples; the same samples give the same forest. */
export function growForest(samples: Samples, trees: number = FOREST_TREES): Forest {
  const size = samples.points.length
  return Array.from({ length: trees }, (_, tree) => {
    const rng = keyedRng(0, tree, '', 'forest')
    return growTree(
      samples,
      Array.from({ length: size }, () => rng.below(size)),
    )
  })
}

/**
 * The share of each tree's variance that one dimension explains alone (its main effect), averaged over the trees that have any.
 *
 * @returns [D], each in [0, 1]; their sum is below 1 by what dimensions explain together only. All 0 for a constant
 */
export function mainEffects(forest: Forest, dimensions: readonly Dimension[]): number[] {
  const varied = forest
    .map((leaves) => ({ leaves, variance: varianceOf(leaves, dimensions) }))
    .filter(({ variance }) => variance > 0)
  return dimensions.map((_, dimension) => {
    const shares = varied.map(({ leaves, variance }) => marginalVariance(leaves, dimensions, dimension) / variance)
    return shares.length === 0 ? 0 : shares.reduce((sum, share) => sum + share, 0) / shares.length
  })
}

/** Places (in [0, 1], or categories) along one dimension. */
export interface Along {
  readonly dimension: number
  readonly places: readonly number[]
}

/**
 * What the forest expects at every combination of the places of two dimensions, averaged over the prior of all others. With one
 * dimension, `second` is left out and each row has one value.
 *
 * @returns [places of first][places of second]
 */
export function marginalMeans(
  forest: Forest,
  dimensions: readonly Dimension[],
  first: Along,
  second: Along | null = null,
): number[][] {
  const sums = first.places.map(() => (second?.places ?? [0]).map(() => 0))
  const fixed = [first.dimension, second?.dimension]
  const indicesIn = ({ dimension, places }: Along, { region }: Leaf): number[] =>
    places.flatMap((place, i) => (contains(region[dimension]!, place) ? [i] : []))
  for (const leaf of forest.flat()) {
    const rows = indicesIn(first, leaf)
    if (rows.length === 0) continue
    const columns = second === null ? [0] : indicesIn(second, leaf)
    let weight = leaf.value / forest.length
    leaf.region.forEach((range, dimension) => {
      if (!fixed.includes(dimension)) weight *= measure(range, dimensions[dimension]!)
    })
    for (const row of rows) for (const column of columns) sums[row]![column]! += weight
  }
  return sums
}

/** Variance of a tree's value over the box. */
export function varianceOf(leaves: readonly Leaf[], dimensions: readonly Dimension[]): number {
  return weightedVariance(leaves.map((leaf) => [volume(leaf, dimensions), leaf.value]))
}

/** Variance of a tree's marginal over one dimension. */
export function marginalVariance(leaves: readonly Leaf[], dimensions: readonly Dimension[], dimension: number): number {
  const side = dimensions[dimension]!
  const weights = leaves.map((leaf) => volume(leaf, dimensions) / (measure(leaf.region[dimension]!, side) || 1))
  return weightedVariance(
    pieces(leaves, side, dimension).map(([width, place]) => {
      let sum = 0
      leaves.forEach(({ region, value }, i) => {
        if (contains(region[dimension]!, place)) sum += weights[i]! * value
      })
      return [width, sum]
    }),
  )
}

/** The parts of a dimension on which the marginal is constant: probability, and a value inside. */
function pieces(leaves: readonly Leaf[], side: Dimension, dimension: number): [width: number, place: number][] {
  if (side.kind === 'categorical') return side.probabilities.map((probability, category) => [probability, category])
  const ends = leaves.flatMap(({ region }) => {
    const range = region[dimension]!
    return range.kind === 'numeric' ? [range.from, range.to] : []
  })
  const edges = [...new Set(ends)].sort((a, b) => a - b)
  return edges.slice(1).map((to, i) => [to - edges[i]!, (edges[i]! + to) / 2])
}

function volume({ region }: Leaf, dimensions: readonly Dimension[]): number {
  return region.reduce((product, range, dimension) => product * measure(range, dimensions[dimension]!), 1)
}

/** @param entries weights, which are normalised, and values */
function weightedVariance(entries: readonly (readonly [weight: number, value: number])[]): number {
  const total = entries.reduce((sum, [weight]) => sum + weight, 0)
  const mean = entries.reduce((sum, [weight, value]) => sum + weight * value, 0) / total
  return entries.reduce((sum, [weight, value]) => sum + weight * (value - mean) ** 2, 0) / total
}
