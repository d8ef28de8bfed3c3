/**
 * A regression tree over a box: numbers in [0, 1], and categories with their probabilities. CART (Breiman et al. 1984): each split
 * takes away the most squared error; categories are split after sorting them by their mean, which is optimal for squared error.
 *
 * What is kept are the leaves: their regions tile the box, which is what an analysis of variance asks for.
 */

/** One side of the box. */
export type Dimension =
  | { readonly kind: 'numeric' }
  /** [size], sum 1 */
  | { readonly kind: 'categorical'; readonly probabilities: readonly number[] }

/** A half-open interval, or the categories that belong. */
export type Range =
  | { readonly kind: 'numeric'; readonly from: number; readonly to: number }
  | { readonly kind: 'categorical'; readonly members: readonly boolean[] }

export interface Leaf {
  /** mean target of the samples in it */
  readonly value: number
  /** one range for each dimension */
  readonly region: readonly Range[]
}

export interface Samples {
  readonly dimensions: readonly Dimension[]
  /** [N][D]: a number in [0, 1], or the index of a category */
  readonly points: readonly (readonly number[])[]
  /** [N] */
  readonly targets: readonly number[]
}

const MAX_DEPTH = 64

/** @param rows indices of the samples to grow from, with repetition */
export function growTree({ dimensions, points, targets }: Samples, rows: readonly number[]): Leaf[] {
  const leaves: Leaf[] = []
  const grow = (own: readonly number[], region: readonly Range[], depth: number): void => {
    const split = depth < MAX_DEPTH ? bestSplit(own, region) : null
    if (split === null) {
      leaves.push({ value: own.reduce((sum, row) => sum + targets[row]!, 0) / own.length, region })
      return
    }
    const { dimension, left, right } = split
    const inLeft = (row: number): boolean => contains(left, points[row]![dimension]!)
    for (const [side, range] of [
      [own.filter(inLeft), left],
      [own.filter((row) => !inLeft(row)), right],
    ] as const)
      grow(side, region.with(dimension, range), depth + 1)
  }

  const bestSplit = (own: readonly number[], region: readonly Range[]): Split | null => {
    const mean = own.reduce((sum, row) => sum + targets[row]!, 0) / own.length
    // Centred targets: the sum of squares would cancel where all are far from zero.
    const centred = own.map((row) => targets[row]! - mean)
    const spread = centred.reduce((sum, value) => sum + value * value, 0)
    let best: Split | null = null
    let gain = 1e-12 * spread
    dimensions.forEach((_, dimension) => {
      const values = own.map((row) => points[row]![dimension]!)
      for (const candidate of candidates(region[dimension]!, values, centred)) {
        if (candidate.gain <= gain) continue
        gain = candidate.gain
        best = { dimension, left: candidate.left, right: candidate.right }
      }
    })
    return best
  }

  grow(rows, dimensions.map(wholeRange), 0)
  return leaves
}

interface Split {
  readonly dimension: number
  readonly left: Range
  readonly right: Range
}

interface Candidate {
  readonly gain: number
  readonly left: Range
  readonly right: Range
}

/** Ways to cut a range between neighbours, with the squared error that each takes away. */
function* candidates(range: Range, values: readonly number[], centred: readonly number[]): Generator<Candidate> {
  const numeric = range.kind === 'numeric'
  // Groups of equal values in order: numbers by size, categories by mean target.
  const groups = new Map<number, { sum: number; count: number }>()
  values.forEach((value, i) => {
    const group = groups.get(value) ?? { sum: 0, count: 0 }
    groups.set(value, { sum: group.sum + centred[i]!, count: group.count + 1 })
  })
  const order = [...groups].sort(([a, x], [b, y]) => (numeric ? a - b : x.sum / x.count - y.sum / y.count || a - b))
  let sum = 0
  let count = 0
  for (let cut = 0; cut < order.length - 1; cut++) {
    const [value, group] = order[cut]!
    sum += group.sum
    count += group.count
    // The targets' mean is zero: the right side sums to −sum.
    const gain = (sum * sum) / count + (sum * sum) / (values.length - count)
    if (numeric) {
      const at = (value + order[cut + 1]![0]) / 2
      yield { gain, left: { ...range, to: at }, right: { ...range, from: at } }
    } else {
      const left = new Set(order.slice(0, cut + 1).map(([category]) => category))
      const side = (wanted: boolean): Range => ({
        kind: 'categorical',
        // Categories that no sample here has go with the right side.
        members: range.members.map((member, category) => member && left.has(category) === wanted),
      })
      yield { gain, left: side(true), right: side(false) }
    }
  }
}

function wholeRange(dimension: Dimension): Range {
  if (dimension.kind === 'numeric') return { kind: 'numeric', from: 0, to: 1 }
  return { kind: 'categorical', members: dimension.probabilities.map(() => true) }
}

/** 1 itself lies in the last interval. */
export function contains(range: Range, value: number): boolean {
  if (range.kind === 'categorical') return range.members[value] === true
  return value >= range.from && (value < range.to || range.to === 1)
}

/** Probability of a range under the prior. */
export function measure(range: Range, dimension: Dimension): number {
  if (range.kind === 'numeric') return range.to - range.from
  if (dimension.kind === 'numeric') throw new Error('a categorical range of a numeric dimension')
  return range.members.reduce((sum, member, category) => sum + (member ? dimension.probabilities[category]! : 0), 0)
}
