/** Starting from weights that exist: which spellings mean published ones, and how a file meets a network with another classifier. */
import type { Tensor } from '../binding/index.ts'
import { ConfigError, SnapshotError } from '../util/errors.ts'
import type { Model } from './model.ts'
import { loadWeights } from './weights.ts'

export const publishedWeights = 'published weights'

/** `true`, or the name of something on a hub or server; a path to a file does not. */
export function asksForPublishedWeights(pretrained: unknown): boolean {
  return (
    pretrained === true ||
    (typeof pretrained === 'string' && /^([a-z][\w+-]*:\/\/|hub:|hf-hub:|timm:)/i.test(pretrained))
  )
}

/** @throws {ConfigError} for published weights: there is no way to obtain them yet */
export function refusePublishedWeights(name: string, pretrained: boolean | string): void {
  if (!asksForPublishedWeights(pretrained)) return
  throw new ConfigError(
    `${name}: pretrained: ${String(pretrained)} asks for ${publishedWeights}, which are not available yet. ` +
      `Give the path of a .safetensors file with timm's names, or pretrained: false.`,
  )
}

const classifierNames = /^(fc|head)\.(weight|bias)$/

/**
 * Loads a file of timm's names into `model`. The classifier is left at its fresh values when the file has none or one of another
 * number of classes, and dropped when the model has none; the returned sentence says so. Everything else must fit.
 *
 * @returns what was left out, for the log, or null when all was loaded
 * @throws {SnapshotError} naming missing, surplus and mis-shaped tensors; nothing is changed then
 */
export async function loadPretrained(model: Model, path: string): Promise<string | null> {
  const given = await loadWeights(path)
  try {
    const own = model.stateDict()
    const state = new Map(given)
    const ownClassifier = [...own.keys()].filter((name) => classifierNames.test(name))
    const givenClassifier = [...given.keys()].filter((name) => classifierNames.test(name))
    const fits =
      ownClassifier.length === givenClassifier.length &&
      ownClassifier.every((name) => given.has(name) && sameShape(own.get(name), given.get(name)))
    if (!fits) {
      for (const name of givenClassifier) state.delete(name)
      for (const [name, tensor] of own) if (classifierNames.test(name)) state.set(name, tensor)
    }
    await loadNamed(model, state, path)
    if (fits) return null
    if (ownClassifier.length === 0) {
      return `${path}: its classifier (${givenClassifier.join(', ')}) is not used: this network has none.`
    }
    const fresh = `${ownClassifier.join(', ')} start afresh`
    return givenClassifier.length === 0
      ? `${path}: expected a classifier but the file has none; ${fresh}.`
      : `${path}: its classifier has ${classes(givenClassifier, given)} classes and this network ${classes(ownClassifier, own)}; ${fresh}.`
  } finally {
    for (const tensor of given.values()) tensor.dispose()
  }
}

async function loadNamed(model: Model, state: ReadonlyMap<string, Tensor>, path: string): Promise<void> {
  try {
    await model.loadStateDict(state)
  } catch (error) {
    if (error instanceof SnapshotError) throw new SnapshotError(`${path}: ${error.message}`, { cause: error })
    throw error
  }
}

function classes(names: readonly string[], tensors: ReadonlyMap<string, Tensor>): number {
  const weight = names.find((name) => name.endsWith('.weight'))
  return (weight !== undefined && tensors.get(weight)?.shape[0]) || 0
}

function sameShape(a: Tensor | undefined, b: Tensor | undefined): boolean {
  return a !== undefined && b !== undefined && a.shape.join() === b.shape.join()
}
