/** Which option of a configuration an error of the network's construction is about, so that the command line can name file and line. */
import { ConfigError } from '../util/errors.ts'

/** Where an option that networks are made by was written: its name in messages, and its place in the configuration. */
interface Place {
  readonly key: string
  readonly at: readonly string[]
}

const snakeCase = (key: string): string => key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/**
 * The same error, with the option that its message names first; the network's name where it names none.
 *
 * @param section where the backbone is described: ['backbone'], ['arcface', 'backbone']
 * @param imageSize where the size of its images is written
 */
export function withOption(
  error: unknown,
  section: readonly string[],
  backbone: object,
  imageSize: readonly string[],
): unknown {
  if (!(error instanceof ConfigError) || error.option !== null) return error
  const places: Place[] = Object.entries(backbone)
    .filter(([key, value]) => key !== 'name' && value !== undefined)
    .map(([key]) => ({ key: snakeCase(key), at: [...section, key] }))
  places.push({ key: 'image_size', at: imageSize })
  const positions = places.map(({ key, at }) => ({ at, position: positionOf(key, error.message) }))
  const named = positions.filter(({ position }) => position >= 0).sort((a, b) => a.position - b.position)
  return new ConfigError(error.message, { cause: error, option: named[0]?.at ?? [...section, 'name'] })
}

function positionOf(key: string, message: string): number {
  return message.search(new RegExp(`(?<![a-z_])${key}(?![a-z_])`))
}
