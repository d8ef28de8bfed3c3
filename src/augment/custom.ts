/** Operations that are TypeScript functions: registered under a name, then named in a strategy as `custom: name`. */
import { ConfigError } from '../util/errors.ts'
import { didYouMean } from '../util/suggest.ts'
import type { CustomOperation, PictureFunction } from './operation.ts'

const functions = new Map<string, PictureFunction>()

/**
 * Makes `apply` known as `custom: name` in `augmentations`. It runs on the JavaScript thread, picture by picture: for what is worth
 * more speed, write native/augment/<operation>.cc.
 *
 * @throws {ConfigError} for a name that is taken by another function
 */
export function registerAugmentation(name: string, apply: PictureFunction): void {
  if (functions.has(name) && functions.get(name) !== apply)
    throw new ConfigError(`augmentation "${name}" is registered already. Choose another name.`)
  functions.set(name, apply)
}

/** @throws {ConfigError} for a name that was not registered */
export function customOperation(name: string): CustomOperation {
  const apply = functions.get(name)
  if (apply === undefined) {
    const names = [...functions.keys()]
    throw new ConfigError(
      `augmentations: custom: no function is registered as "${name}".${didYouMean(name, names)} ` +
        'Call registerAugmentation before the phase starts.',
    )
  }
  return { name, apply }
}
