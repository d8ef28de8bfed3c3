/** The trackers that a configuration asks for. */
import { configToPlain, type ResolvedConfig } from '../config/index.ts'
import { trackingHooks, type TrackingHooks } from '../phases/index.ts'
import { WandbTracker } from '../tracking/index.ts'
import { silentLogger, type Logger } from '../util/logger.ts'

export interface Tracking {
  /** null: nothing is tracked */
  readonly hooks: TrackingHooks | null
  /** Ends the run there with the program's exit code. */
  finish(exitCode: number): Promise<void>
}

/** @throws {ConfigError} when what a tracker needs is missing */
export function openTracking(resolved: ResolvedConfig, logger: Logger): Tracking {
  const { wandb } = resolved.config.logging
  if (!wandb.enabled) return { hooks: null, finish: () => Promise.resolve() }
  const tracker = new WandbTracker(wandb, { config: configToPlain(resolved) as Record<string, unknown>, logger })
  return { hooks: trackingHooks(tracker), finish: (exitCode) => tracker.finish(exitCode) }
}

/** For what opens its trackers later, in processes of its own. @throws {ConfigError} as `openTracking` would */
export function checkTracking(resolved: ResolvedConfig): void {
  openTracking(resolved, silentLogger)
}
