/** What a device cannot do, or does otherwise, of what a training phase asks for. */
import { StepGraph } from '../binding/index.ts'
import type { PassGraph } from '../train/index.ts'
import { checkCompile } from './compile.ts'
import type { PhaseContext, PhaseName } from './context.ts'
import type { TrainingOptions } from './options/training.ts'

type Surroundings = Pick<PhaseContext, 'device' | 'logger' | 'defaults'>

/**
 * Says where `compile` and float16 bring nothing.
 *
 * @throws {ConfigError} where `compile` is asked for beside a key that keeps passes from being captured
 */
export function checkDevice(
  name: PhaseName,
  options: TrainingOptions,
  { device, logger, defaults }: Surroundings,
): void {
  if ((options.precision ?? defaults.precision) === 'float16' && device === 'cpu')
    logger.warn(`${name}: most CPUs compute float16 in software, many times slower; bfloat16 is made for them`)
  if (options.compile && device === 'cpu')
    logger.info(`${name}: compile changes nothing on the CPU; the kernels were compiled with the addon`)
  checkCompile(name, options, device, defaults.backbone)
}

/** What passes are captured on; null where they run eagerly. */
export function graphsOf(
  { compile }: Pick<TrainingOptions, 'compile'>,
  { device, passGraphs = null }: Pick<PhaseContext, 'device' | 'passGraphs'>,
): (() => PassGraph) | null {
  if (!compile) return null
  if (passGraphs !== null || device === 'cpu') return passGraphs
  const siblings = new Set<StepGraph>()
  return () => new StepGraph(device, siblings)
}
