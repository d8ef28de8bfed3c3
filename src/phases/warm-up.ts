/** A warm-up that leaves nothing of the schedule. */
import type { Loader } from '../data/index.ts'
import { durationInSteps } from '../optim/index.ts'
import type { LoopOptions } from '../train/index.ts'
import type { Logger } from '../util/logger.ts'
import type { PhaseName } from './context.ts'

/** The peak of the rate lies behind the warm-up: behind the end too, where the warm-up is as long as the phase. */
export function warnOfWarmup(
  name: PhaseName,
  { duration, warmup, accumulation = 1 }: LoopOptions,
  loader: Loader,
  logger: Logger,
): void {
  const size = {
    stepsPerEpoch: Math.ceil(loader.batchesPerEpoch / accumulation),
    examplesPerStep: loader.batchSize * accumulation,
  }
  const [steps, rising] = [duration, warmup].map((length) => durationInSteps(length, size, name)) as [number, number]
  if (rising > 0 && rising >= steps)
    logger.warn(`${name}: the warm-up takes ${rising} steps, the phase ${steps}: the schedule behind it never begins`)
}
