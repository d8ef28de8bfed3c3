/** What an evaluation shows its networks: the pictures, and with tta_runs versions of them. */
import {
  evaluationPlan,
  mirrorsPictures,
  testTimePlan,
  trainingOperations,
  type AugmentPlan,
} from '../augment/index.ts'
import type { Dataset } from '../data/index.ts'
import { ConfigError } from '../util/errors.ts'
import type { PhaseContext } from './context.ts'
import type { NetworkSpec } from './networks.ts'
import type { EvaluatePhaseOptions } from './options/evaluate.ts'

type Views = Pick<EvaluatePhaseOptions, 'ttaRuns' | 'ttaAugmentations'>

/** View 0 is the picture; the standard others are mirrored where a training phase of the configuration mirrors. */
export function viewsPlan(
  spec: Pick<NetworkSpec, 'imageSize' | 'mean' | 'std' | 'interpolation'>,
  dataset: Pick<Dataset, 'height' | 'width'>,
  { ttaRuns, ttaAugmentations: augmentations }: Views,
  { seed, defaults, logger }: Pick<PhaseContext, 'seed' | 'defaults' | 'logger'>,
): AugmentPlan {
  const { imageSize, mean, std, interpolation } = spec
  const plan = { imageSize, inputHeight: dataset.height, inputWidth: dataset.width, mean, std, interpolation, seed }
  if (ttaRuns === 1) return evaluationPlan(plan)
  const mirror = (defaults.augmentations ?? []).some(mirrorsPictures)
  const others =
    augmentations !== null ? 'by tta_augmentations' : mirror ? 'mirrored or moved' : 'moved, as no phase mirrors'
  logger.info(`evaluate: ${ttaRuns} views of each picture: itself, and ${ttaRuns - 1} ${others}`)
  return testTimePlan({ augmentations, mirror }, plan)
}

/**
 * Finds out before hours of training that the views of the evaluation after it cannot be made.
 *
 * @throws {ConfigError} for augmentations that cannot follow each other, or a function that nobody registered
 */
export function expectViews(phases: readonly string[], { ttaAugmentations }: Pick<Views, 'ttaAugmentations'>): void {
  if (!phases.includes('evaluate') || ttaAugmentations === null) return
  try {
    trainingOperations(ttaAugmentations, { imageSize: 32, inputHeight: 32, inputWidth: 32 })
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    throw new ConfigError(`evaluate.tta_augmentations: ${error.message}`, { option: ['evaluate', 'ttaAugmentations'] })
  }
}
