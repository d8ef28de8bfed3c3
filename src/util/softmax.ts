/**
 * Softmax and log-sum-exp of one row of a flat [N, C] array, in float64. Shared by metrics, calibration and OOD scores.
 *
 * The row maximum is subtracted before exp: a margin head with scale 64 reaches exp(64), float32 overflows at exp(88.7).
 */

export type FloatArray = Float32Array | Float64Array

/**
 * T · log Σ_c exp(row_c / T).
 *
 * @param values      flat [N, C], finite
 * @param row         in [0, N)
 * @param temperature unitless, > 0
 */
export function logSumExp(values: FloatArray, numClasses: number, row: number, temperature = 1): number {
  const start = row * numClasses
  let maximum = -Infinity
  for (let i = start; i < start + numClasses; i++) maximum = Math.max(maximum, values[i]!)
  let sum = 0
  for (let i = start; i < start + numClasses; i++) sum += Math.exp((values[i]! - maximum) / temperature)
  return maximum + temperature * Math.log(sum)
}

/** Softmax of every row: flat [N, C] float64, rows sum to 1. */
export function softmax(logits: FloatArray, numClasses: number): Float64Array {
  const probabilities = new Float64Array(logits.length)
  for (let start = 0; start < logits.length; start += numClasses) {
    const total = logSumExp(logits, numClasses, start / numClasses)
    for (let i = start; i < start + numClasses; i++) probabilities[i] = Math.exp(logits[i]! - total)
  }
  return probabilities
}
