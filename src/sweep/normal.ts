/** The normal distribution: cumulative probability, its inverse, and the mass of an interval without cancellation in the tails. */

const SQRT_2 = Math.SQRT2

/**
 * Complementary error function to about 1e-15 relative: the rational Chebyshev fits of
 * Cody 1969, "Rational Chebyshev approximations for the error function" (SPECFUN `erfc`).
 */
export function erfc(x: number): number {
  const y = Math.abs(x)
  if (y <= 0.46875) return 1 - erfSmall(x)
  const value = y <= 4 ? erfcMiddle(y) : erfcLarge(y)
  return x < 0 ? 2 - value : value
}

/** P(X ≤ z) of the standard normal. */
export function normalCdf(z: number): number {
  return 0.5 * erfc(-z / SQRT_2)
}

/** P(from < X ≤ to) of the standard normal; both tails keep their relative accuracy. */
export function normalMass(from: number, to: number): number {
  if (from > 0) return 0.5 * (erfc(from / SQRT_2) - erfc(to / SQRT_2))
  return normalCdf(to) - normalCdf(from)
}

/**
 * The z with P(X ≤ z) = p, 0 < p < 1: Acklam's rational approximation and one step of Halley's method, relative error about 1e-15.
 */
export function normalQuantile(p: number): number {
  if (p <= 0) return -Infinity
  if (p >= 1) return Infinity
  const z = acklam(p)
  const error = normalCdf(z) - p
  const step = error * Math.sqrt(2 * Math.PI) * Math.exp((z * z) / 2)
  return z - step / (1 + (z * step) / 2)
}

function acklam(p: number): number {
  const low = 0.02425
  if (p < low) {
    const q = Math.sqrt(-2 * Math.log(p))
    return polynomial(ACKLAM_C, q) / (polynomial(ACKLAM_D, q) * q + 1)
  }
  if (p > 1 - low) return -acklam(1 - p)
  const q = p - 0.5
  const r = q * q
  return (polynomial(ACKLAM_A, r) * q) / (polynomial(ACKLAM_B, r) * r + 1)
}

/** c[0]·xⁿ + … + c[n] */
function polynomial(coefficients: readonly number[], x: number): number {
  let sum = 0
  for (let i = 0; i < coefficients.length; i++) sum = sum * x + coefficients[i]!
  return sum
}

const ACKLAM_A = [
  -3.969683028665376e1, 2.209460984245205e2, -2.759285104469687e2, 1.38357751867269e2, -3.066479806614716e1,
  2.506628277459239,
]
const ACKLAM_B = [
  -5.447609879822406e1, 1.615858368580409e2, -1.556989798598866e2, 6.680131188771972e1, -1.328068155288572e1,
]
const ACKLAM_C = [
  -7.784894002430293e-3, -3.223964580411365e-1, -2.400758277161838, -2.549732539343734, 4.374664141464968,
  2.938163982698783,
]
const ACKLAM_D = [7.784695709041462e-3, 3.224671290700398e-1, 2.445134137142996, 3.754408661907416]

const A = [
  3.1611237438705656, 1.1386415415105016e2, 3.77485237685302e2, 3.2093775891384695e3, 1.8577770618460315e-1,
] as const
const B = [2.3601290952344122e1, 2.4402463793444417e2, 1.2826165260773723e3, 2.8442368334391706e3] as const
const C = [
  5.6418849698867e-1, 8.8831497943883759, 6.611919063714163e1, 2.9863513819740013e2, 8.819522212417691e2,
  1.7120476126340706e3, 2.051078377826071e3, 1.2303393547979972e3, 2.1531153547440383e-8,
] as const
const D = [
  1.5744926110709835e1, 1.1769395089131221e2, 5.371811018620099e2, 1.6213895745666903e3, 3.2907992357334596e3,
  4.362619090143247e3, 3.4393676741437216e3, 1.2303393548037495e3,
] as const
const P = [
  3.0532663496123236e-1, 3.6034489994980444e-1, 1.2578172611122926e-1, 1.6083785148742277e-2, 6.587491615298378e-4,
  1.6315387137302097e-2,
] as const
const Q = [
  2.568520192289822, 1.8729528499234604, 5.279051029514284e-1, 6.0518341312441318e-2, 2.3352049762686918e-3,
] as const

function erfSmall(x: number): number {
  const y = x * x
  let top = A[4] * y
  let bottom = y
  for (let i = 0; i < 3; i++) {
    top = (top + A[i as 0]) * y
    bottom = (bottom + B[i as 0]) * y
  }
  return (x * (top + A[3])) / (bottom + B[3])
}

function erfcMiddle(y: number): number {
  let top = C[8] * y
  let bottom = y
  for (let i = 0; i < 7; i++) {
    top = (top + C[i as 0]) * y
    bottom = (bottom + D[i as 0]) * y
  }
  return (expMinusSquare(y) * (top + C[7])) / (bottom + D[7])
}

function erfcLarge(y: number): number {
  if (y > 27) return 0
  const z = 1 / (y * y)
  let top = P[5] * z
  let bottom = z
  for (let i = 0; i < 4; i++) {
    top = (top + P[i as 0]) * z
    bottom = (bottom + Q[i as 0]) * z
  }
  const tail = (z * (top + P[4])) / (bottom + Q[4])
  return (expMinusSquare(y) * (1 / Math.sqrt(Math.PI) - tail)) / y
}

/** exp(−y²) with the square split in two, so that its rounding error is not magnified. */
function expMinusSquare(y: number): number {
  const whole = Math.trunc(y * 16) / 16
  return Math.exp(-whole * whole) * Math.exp(-(y - whole) * (y + whole))
}
