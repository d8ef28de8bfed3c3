/** A Gaussian's inverse covariance as a map after which its distances are Euclidean. */
import { torch, type Tensor } from '../binding/index.ts'
import { DatasetError } from '../util/errors.ts'

/** Share of the mean variance that is added to each direction: relative, so that the unit of the features changes nothing. */
const ridge = 1e-9

/**
 * W with W·Wᵀ = (Σ + r·tr(Σ)/D·I)⁻¹, r = 1e-9. Directions without variance, which an inverse does not have, weigh 1e9 times the mean one:
 * what moves there is unlike anything seen.
 *
 * @param covariance Σ, float64 [D, D], symmetric
 * @returns float64 [D, D]; the squared distance of a row x is ‖xW‖²
 * @throws {DatasetError} when nothing varies
 */
export function whitening(covariance: Tensor): Tensor {
  const { ops } = torch
  const [found, directions] = ops.linalgEigh(covariance)
  const variances = ops.clampMin(found, 0) // rounding leaves tiny negative ones
  const mean = ops.mean(variances, [0]).item()
  if (!(mean > 0))
    throw new DatasetError(
      'Expected training features that vary within the classes, got the same for every picture of a class. ' +
        'Fit on more than one picture a class.',
    )
  return ops.mul(directions, ops.rsqrt(ops.add(variances, ridge * mean)))
}
