/** Out-of-distribution detectors, by name. A new one: one file here, one line below, one `detectorSuite` line in its test. */
import type { Detector } from './detector.ts'
import { EnergyDetector } from './energy.ts'
import { MahalanobisDetector } from './mahalanobis.ts'
import { VimDetector } from './vim.ts'

export type { Detector, DetectorInput, DetectorTrainingInput, Matrix } from './detector.ts'
export { EnergyDetector, energyScores, type EnergyOptions } from './energy.ts'
export { MahalanobisDetector, type MahalanobisOptions } from './mahalanobis.ts'
export { VimDetector, vimDimension, type VimOptions } from './vim.ts'

export const detectors: Readonly<Record<string, () => Detector>> = {
  energy: () => new EnergyDetector(),
  mahalanobis: () => new MahalanobisDetector(),
  vim: () => new VimDetector(),
}
