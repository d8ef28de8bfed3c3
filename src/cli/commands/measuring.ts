/** What lr-find and batch-find have in common: the configuration, the phase that is measured, and how they are stopped. */
import { resolveConfig, type ResolvedConfig } from '../../config/index.ts'
import { trainingPhaseNames } from '../../phases/context.ts'
import type { TrainingPhaseName } from '../../phases/index.ts'
import { ConfigError } from '../../util/errors.ts'
import { exitCodeOfSignal, handleInterrupts } from '../signals.ts'
import type { Flags, FlagValues } from '../flags.ts'

export const measuringFlags: Flags = {
  config: { kind: 'text', alias: 'c', describe: 'YAML file (default: the packaged one of the data set)' },
  set: { kind: 'repeated', describe: 'one key, repeatable: --set train.optimizer=sgd' },
  dataset: { kind: 'text', describe: 'digits, cifar10 or cifar100' },
  data: { kind: 'text', describe: 'a folder of class folders with images' },
  phase: { kind: 'text', describe: 'train, supcon, arcface or distill (default: the first that would run)' },
  device: { kind: 'text', describe: 'auto, cpu, cuda, cuda:1 …' },
  seed: { kind: 'whole', minimum: 0, describe: 'seed of everything random' },
  name: { kind: 'text', describe: 'run whose earlier phases are gone on from (default: of the configuration file)' },
  directory: { kind: 'text', describe: 'holds that run (default: the working directory)' },
}

/** @throws {ConfigError} when the configuration is wrong, or no training phase is meant */
export function phaseToMeasure(flags: FlagValues): { resolved: ResolvedConfig; phase: TrainingPhaseName } {
  const named = flags.text('phase')
  const directory = flags.text('directory')
  const resolved = resolveConfig({
    config: flags.text('config'),
    set: [...flags.repeated('set'), ...(directory === undefined ? [] : [`run.directory=${JSON.stringify(directory)}`])],
    dataset: flags.text('dataset'),
    data: flags.text('data'),
    name: flags.text('name'),
    seed: flags.number('seed'),
    device: flags.text('device'),
    phases: named === undefined ? undefined : [named],
  })
  const phase = trainingPhaseNames.find((name) => resolved.phases.includes(name))
  if (phase === undefined)
    throw new ConfigError(
      `--phase: expected one of ${trainingPhaseNames.join(', ')}, got ${named === undefined ? 'a configuration that trains nothing' : `"${named}"`}.`,
    )
  return { resolved, phase: phase as TrainingPhaseName }
}

/** Runs `work` with a signal that Ctrl-C and its relatives abort. @returns the exit code of that signal, else null */
export async function interruptible(
  announce: (text: string) => void,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<number | null> {
  const interrupts = handleInterrupts({
    announce: () => announce('stopping (again to stop at once)'),
    restore: () => undefined,
    exitNow: (code) => process.exit(code),
  })
  try {
    await work(interrupts.signal)
  } catch (error) {
    if (interrupts.received === null) throw error
  } finally {
    interrupts.dispose()
  }
  return interrupts.received === null ? null : exitCodeOfSignal(interrupts.received)
}
