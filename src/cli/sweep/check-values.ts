/** Values of a space that their configuration key can never have: found before the first trial, not by each trial. */
import { resolveConfig, type ConfigRequest, type SweepFile } from '../../config/index.ts'
import type { Distribution, Json } from '../../sweep/index.ts'
import { phaseNames } from '../../phases/index.ts'
import { ConfigError } from '../../util/errors.ts'

const MOST_CHOICES = 100

/**
 * Tries each choice, and both ends of each range, one key at a time. What only a combination forbids is left to the trials.
 *
 * @throws {ConfigError} with the key, the value and what the key may be
 */
export function checkValues({ lineOf, space, phases, shared }: SweepFile, request: ConfigRequest): void {
  for (const { name, distribution } of space.parameters) {
    const idle = idleKey(name, phases, shared)
    if (idle !== null) throw new ConfigError(`${lineOf(name)}: search space: ${name}: ${idle}`)
    for (const value of probes(distribution)) {
      const override = `${name}=${JSON.stringify(value)}`
      try {
        resolveConfig({ ...request, set: [...(request.set ?? []), override], phases: [...shared, ...phases] })
      } catch (error) {
        const problem = error instanceof ConfigError ? ownProblem(error.message, name) : null
        if (problem !== null) throw new ConfigError(`${lineOf(name)}: search space: ${problem}`)
      }
    }
  }
}

/** Why a key cannot make one trial differ from another; null when it can. */
function idleKey(name: string, phases: readonly string[], shared: readonly string[]): string | null {
  const [section = ''] = name.split('.')
  if (section === 'run') return 'expected a key of what is trained; the sweep names its runs itself.'
  if (phases.includes(section) || !(phaseNames as readonly string[]).includes(section)) return null
  if (!shared.includes(section))
    return `expected a key of the phases that a trial runs, which are ${phases.join(', ')}.`
  return `the phase ${section} is shared: it runs once, before the trials, and is the same for all. Move it from shared to phases.`
}

/** The message when the value itself is refused: `--set a.b=9: a.b: expected …`. */
function ownProblem(message: string, name: string): string | null {
  const line = message.split('\n').find((text) => text.startsWith(`--set ${name}=`)) ?? ''
  const at = line.indexOf(`: ${name}`)
  return at < 0 ? null : line.slice(at + 2)
}

function probes(distribution: Distribution): readonly Json[] {
  if (distribution.type === 'categorical') return distribution.choices.slice(0, MOST_CHOICES)
  if (distribution.type === 'int') return [distribution.low, distribution.high]
  // A value within, too: where both ends are whole, a key of whole numbers would take them.
  if (distribution.type === 'float') {
    const { low, high, step } = distribution
    return step === undefined ? [low, high, low + (high - low) * 0.3819660113] : [low, high, Math.min(high, low + step)]
  }
  if (distribution.type === 'randint') return [distribution.low, distribution.high - 1]
  return []
}
