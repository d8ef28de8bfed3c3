/** What a device cannot do of what a training phase asks for. */
import { ConfigError } from '../util/errors.ts'
import type { PhaseContext, PhaseName } from './context.ts'
import type { TrainingOptions } from './options/training.ts'

/**
 * Says where `compile` and float16 bring nothing.
 *
 * @throws {ConfigError} where `compile` would have to do something
 */
export function checkDevice(
  name: PhaseName,
  { compile, precision }: Pick<TrainingOptions, 'compile' | 'precision'>,
  { device, logger, defaults }: PhaseContext,
): void {
  if ((precision ?? defaults.precision) === 'float16' && device === 'cpu')
    logger.warn(`${name}: most CPUs compute float16 in software, many times slower; bfloat16 is made for them`)
  if (!compile) return
  if (device !== 'cpu')
    throw new ConfigError(
      `${name}.compile: expected false on ${device}: steps are not captured as CUDA graphs, because batches, draws and ` +
        'the finite check change what is launched from step to step. Remove the key.',
      { option: [name, 'compile'] },
    )
  logger.info(`${name}: compile changes nothing on the CPU; the kernels were compiled with the addon`)
}
