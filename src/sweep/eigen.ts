/** Eigenvalues and eigenvectors of a small symmetric matrix by Jacobi's rotations. Golub & Van Loan, "Matrix Computations", 8.5. */

export interface Eigen {
  readonly values: number[]
  /** [d][d], column k belongs to value k */
  readonly vectors: number[][]
}

const MAX_SWEEPS = 50

/** @param matrix [d][d], symmetric */
export function eigenSymmetric(matrix: readonly (readonly number[])[]): Eigen {
  const d = matrix.length
  const a = matrix.map((row) => [...row])
  const vectors = a.map((_, i) => a.map((_, j) => (i === j ? 1 : 0)))
  for (let sweep = 0; sweep < MAX_SWEEPS; sweep++) {
    const off = a.reduce(
      (sum, row, i) => sum + row.reduce((inner, value, j) => inner + (i < j ? value * value : 0), 0),
      0,
    )
    const diagonal = a.reduce((sum, row, i) => sum + row[i]! ** 2, 0)
    if (off <= 1e-30 * diagonal) break
    for (let p = 0; p < d - 1; p++) for (let q = p + 1; q < d; q++) rotate(a, vectors, p, q)
  }
  return { values: a.map((row, i) => row[i]!), vectors }
}

/** Makes a[p][q] zero. */
function rotate(a: number[][], vectors: number[][], p: number, q: number): void {
  const apq = a[p]![q]!
  if (apq === 0) return
  const theta = (a[q]![q]! - a[p]![p]!) / (2 * apq)
  const t = (theta >= 0 ? 1 : -1) / (Math.abs(theta) + Math.hypot(theta, 1))
  const c = 1 / Math.hypot(t, 1)
  const s = t * c
  for (let k = 0; k < a.length; k++) {
    const [akp, akq] = [a[k]![p]!, a[k]![q]!]
    a[k]![p] = c * akp - s * akq
    a[k]![q] = s * akp + c * akq
  }
  for (let k = 0; k < a.length; k++) {
    const [apk, aqk] = [a[p]![k]!, a[q]![k]!]
    a[p]![k] = c * apk - s * aqk
    a[q]![k] = s * apk + c * aqk
  }
  for (const row of vectors) {
    const [vp, vq] = [row[p]!, row[q]!]
    row[p] = c * vp - s * vq
    row[q] = s * vp + c * vq
  }
}
