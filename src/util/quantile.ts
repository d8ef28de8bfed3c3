/**
 * The value below which a share of the values lies, interpolated linearly between neighbours as numpy.quantile's default does.
 *
 * @param sorted rising, not empty; infinite ones may be among them
 * @param share from 0 to 1
 */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  const at = share * (sorted.length - 1)
  const below = sorted[Math.floor(at)]!
  const above = sorted[Math.ceil(at)]!
  return below === above ? below : below + (above - below) * (at - Math.floor(at))
}
