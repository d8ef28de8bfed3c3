/** How far confidence can be believed: pure functions over typed arrays. */
export { brierScore } from './brier.ts'
export { expectedCalibrationError, reliabilityBins, type ReliabilityBin } from './reliability.ts'
