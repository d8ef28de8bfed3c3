/** Which option of a configuration an error of the network's construction is about, so that the command line can name file and line. */
import { ConfigError } from '../util/errors.ts'
import { snakeCase } from '../util/snake-case.ts'

/**
 * The same error, with the option of the section that its message names first; else the image size, where it names that; else the
 * network's name.
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
  const named = Object.entries(backbone)
    .filter(([key, value]) => key !== 'name' && value !== undefined)
    .map(([key]) => ({ key, position: positionOf(snakeCase(key), error.message) }))
    .filter(({ position }) => position >= 0)
    .sort((a, b) => a.position - b.position)[0]
  const fallback = positionOf('image_size', error.message) >= 0 ? imageSize : [...section, 'name']
  const option = named === undefined ? fallback : [...section, named.key]
  return new ConfigError(error.message, { cause: error, option })
}

function positionOf(key: string, message: string): number {
  return message.search(new RegExp(`(?<![a-z_])${key}(?![a-z_])`))
}
