/** Values of a space that their configuration key can never have: found before the first trial, not by each trial. */
import { resolveConfig, type ConfigRequest, type SweepFile } from '../../config/index.ts'
import type { Distribution, Json } from '../../sweep/index.ts'
import { ConfigError } from '../../util/errors.ts'

const MOST_CHOICES = 100

/**
 * Tries each choice, and both ends of each range, one key at a time. What only a combination forbids is left to the trials.
 *
 * @throws {ConfigError} with the key, the value and what the key may be
 */
export function checkValues({ lineOf, space, phases, shared }: SweepFile, request: ConfigRequest): void {
  for (const { name, distribution } of space.parameters) {
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

/** The message when the value itself is refused: `--set a.b=9: a.b: expected …`. */
function ownProblem(message: string, name: string): string | null {
  const line = message.split('\n').find((text) => text.startsWith(`--set ${name}=`)) ?? ''
  const at = line.indexOf(`: ${name}`)
  return at < 0 ? null : line.slice(at + 2)
}

function probes(distribution: Distribution): readonly Json[] {
  if (distribution.type === 'categorical') return distribution.choices.slice(0, MOST_CHOICES)
  if (distribution.type === 'float' || distribution.type === 'int') return [distribution.low, distribution.high]
  if (distribution.type === 'randint') return [distribution.low, distribution.high - 1]
  return []
}
