/** Pictures that are the same, or nearly: a 64-bit difference hash finds candidates, their small grey pictures confirm them. */

/** Side of the grey picture that is kept of each. */
const SIDE = 16
/** Hashes of near duplicates differ in at most so many bits; below 4, one of four 16-bit parts is equal. */
const MOST_BITS = 3
/** Mean absolute difference of the grey pictures, in levels. */
const MOST_LEVELS = 6

export interface Fingerprint {
  /** Four 16-bit parts of the difference hash: N. Krawetz, "Kind of Like That", 2013, on 8 × 8 neighbours. */
  readonly parts: Uint16Array
  /** [16 · 16] */
  readonly grey: Uint8Array
}

/** @param pixels [side, side, 3] RGB, side ≥ 1 */
export function fingerprint(pixels: Uint8Array, side: number): Fingerprint {
  const grey = shrink(pixels, side, SIDE, SIDE)
  const rows = shrink(pixels, side, 9, 8)
  const parts = new Uint16Array(4)
  for (let y = 0; y < 8; y++) {
    for (let x = 0; x < 8; x++) {
      const bit = (rows[y * 9 + x] as number) < (rows[y * 9 + x + 1] as number) ? 1 : 0
      const place = y * 8 + x
      parts[place >> 4] = (parts[place >> 4] as number) | (bit << (place & 15))
    }
  }
  return { parts, grey }
}

/** Means over boxes of the luma. */
function shrink(pixels: Uint8Array, side: number, width: number, height: number): Uint8Array {
  const out = new Uint8Array(width * height)
  for (let y = 0; y < height; y++) {
    const [top, bottom] = box(y, height, side)
    for (let x = 0; x < width; x++) {
      const [left, right] = box(x, width, side)
      let sum = 0
      for (let row = top; row < bottom; row++) {
        for (let at = (row * side + left) * 3; at < (row * side + right) * 3; at += 3) {
          sum += 299 * (pixels[at] as number) + 587 * (pixels[at + 1] as number) + 114 * (pixels[at + 2] as number)
        }
      }
      out[y * width + x] = Math.round(sum / 1000 / ((bottom - top) * (right - left)))
    }
  }
  return out
}

function box(at: number, count: number, side: number): [number, number] {
  const first = Math.min(side - 1, Math.floor((at * side) / count))
  return [first, Math.max(first + 1, Math.floor(((at + 1) * side) / count))]
}

/**
 * Groups of near duplicates, each ascending, in the order of their first members. A chain of pairs is one group.
 *
 * Plain pictures (less than 4 grey levels between all places) are left out: their hashes say nothing.
 */
export function nearDuplicates(prints: readonly (Fingerprint | null)[]): number[][] {
  const buckets = new Map<number, number[]>()
  prints.forEach((print, index) => {
    if (print === null || isPlain(print)) return
    print.parts.forEach((part, place) => {
      const key = place * 65536 + part
      const bucket = buckets.get(key)
      if (bucket) bucket.push(index)
      else buckets.set(key, [index])
    })
  })
  const leader = Int32Array.from(prints.keys())
  const find = (index: number): number => {
    let at = index
    while (leader[at] !== at) at = leader[at] = leader[leader[at] as number] as number
    return at
  }
  for (const bucket of buckets.values()) {
    for (let i = 1; i < bucket.length; i++) {
      for (let j = 0; j < i; j++) {
        const [a, b] = [bucket[i] as number, bucket[j] as number]
        const [first, second] = [find(a), find(b)]
        if (first !== second && areNear(prints[a] as Fingerprint, prints[b] as Fingerprint))
          leader[Math.max(first, second)] = Math.min(first, second)
      }
    }
  }
  const groups = new Map<number, number[]>()
  for (const index of prints.keys()) {
    const first = find(index)
    groups.set(first, [...(groups.get(first) ?? []), index])
  }
  return [...groups.values()].filter((group) => group.length > 1)
}

function isPlain({ grey }: Fingerprint): boolean {
  return grey.reduce((a, b) => Math.max(a, b)) - grey.reduce((a, b) => Math.min(a, b)) < 4
}

function areNear(a: Fingerprint, b: Fingerprint): boolean {
  let bits = 0
  for (let place = 0; place < 4; place++) {
    for (let rest = (a.parts[place] as number) ^ (b.parts[place] as number); rest !== 0; rest &= rest - 1) bits++
  }
  if (bits > MOST_BITS) return false
  const distance = a.grey.reduce((sum, level, at) => sum + Math.abs(level - (b.grey[at] as number)), 0)
  return distance <= MOST_LEVELS * SIDE * SIDE
}
