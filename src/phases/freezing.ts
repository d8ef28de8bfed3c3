/** Freezing what a phase's options name, and training it later. */
import type { NativeModule } from '../binding/index.ts'
import type { Thaw } from '../train/index.ts'
import { ConfigError } from '../util/errors.ts'
import type { Logger } from '../util/logger.ts'
import type { PhaseName } from './context.ts'
import { freezeOptions } from './options/freeze.ts'
import type { TrainingOptions } from './options/training.ts'

/**
 * Freezes a part of the backbone; its batch norms keep their statistics.
 *
 * @returns when the loop thaws it; null for never
 * @throws {ConfigError} when the network has fewer stages, a pattern covers no parameter, or nothing is left of its adapters
 */
export async function freezeBackbone(
  phase: PhaseName,
  backbone: NativeModule,
  options: Pick<TrainingOptions, 'freeze'>,
  logger: Logger,
): Promise<Thaw | null> {
  const freeze = freezeOptions(options.freeze)
  if (freeze === null) return null
  const { stages, patterns, untilEpoch } = freeze
  const names = await backbone.freeze(stages, patterns ?? []).catch((error: unknown) => {
    if (!(error instanceof ConfigError)) throw error
    const key = error.message.startsWith('freeze.stages') ? 'stages' : 'patterns'
    throw new ConfigError(`${phase}.${error.message}`, { cause: error, option: [phase, 'freeze', key] })
  })
  const adapters = new Set(backbone.adapterNames())
  if (untilEpoch === null && adapters.size > 0 && !trains(backbone, adapters))
    throw new ConfigError(
      `${phase}.freeze: expected adapters that are trained, but it freezes all of them. ` +
        'Adapters freeze the network under them by themselves: remove freeze, or lora_rank and use_ia3.',
      { option: [phase, 'freeze'] },
    )
  if (untilEpoch === null || names.length === 0) return null
  return {
    afterEpochs: untilEpoch,
    async run() {
      const before = backbone.info.trainableParameterCount
      await backbone.setTrainable(names, true)
      const count = backbone.info.trainableParameterCount - before
      logger.info(`${phase}: from epoch ${untilEpoch + 1} on, ${count} more parameters of the backbone are trained`)
    },
  }
}

function trains(backbone: NativeModule, adapters: ReadonlySet<string>): boolean {
  return [...backbone.namedParameters()].some(([name, tensor]) => adapters.has(name) && tensor.requiresGrad)
}
