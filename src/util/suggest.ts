/** "Did you mean …?" for a mistyped word. */

/**
 * The candidate nearest to `word`, or null when none is near enough to be meant: at most a third of the letters may differ
 * (two letters for short words). Case, `-` and `_` are not counted as differences.
 */
export function nearest(word: string, candidates: Iterable<string>): string | null {
  const limit = Math.max(2, Math.floor(word.length / 3))
  const wanted = plain(word)
  let best: string | null = null
  let bestDistance = limit + 1
  for (const candidate of candidates) {
    const distance = editDistance(wanted, plain(candidate), bestDistance)
    if (distance < bestDistance && distance < candidate.length) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** ` Did you mean "temperature"?`, or the empty string when nothing is near. Starts with a space so that it can follow a sentence. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const candidate = nearest(word, candidates)
  return candidate === null ? '' : ` Did you mean "${candidate}"?`
}

/**
 * Optimal string alignment distance (insertions, deletions, substitutions, swaps of neighbours). Stops at `limit`: long hostile
 * words cost nothing.
 */
export function editDistance(a: string, b: string, limit: number = Number.POSITIVE_INFINITY): number {
  if (Math.abs(a.length - b.length) >= limit) return limit
  let beforePrevious: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const current = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitution = at(previous, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1)
      let cost = Math.min(substitution, at(previous, j) + 1, at(current, j - 1) + 1)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, at(beforePrevious, j - 2) + 1)
      }
      current.push(cost)
    }
    if (Math.min(...current) >= limit) return limit
    beforePrevious = previous
    previous = current
  }
  return at(previous, b.length)
}

function plain(word: string): string {
  return word.toLowerCase().replaceAll(/[-_]/g, '').slice(0, 200)
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY
}
