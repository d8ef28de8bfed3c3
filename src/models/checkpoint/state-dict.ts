/** The weights inside what training programs save: under which key they lie, and which prefix their names carry. */
import { TorchTensor } from './torch-pickle.ts'

export interface StateDict {
  readonly tensors: ReadonlyMap<string, TorchTensor>
  /** Where they were found, for the log: `under "state_dict", without the prefix "module."`; empty when as they are. */
  readonly found: string
}

/** Averaged weights first, as timm prefers them; each may hold another wrapper. */
const wrappers = [
  ...['state_dict_ema', 'model_ema', 'ema_state_dict', 'ema'],
  ...['state_dict', 'model_state_dict', 'model_state', 'model', 'module', 'network', 'net'],
]

/** Of DataParallel and of torch.compile. */
const prefixes = ['module.', '_orig_mod.']

const deepest = 4

/**
 * Wrappers go before tensors: training programs store the best accuracy or a generator's state as a tensor beside the weights. Of several
 * wrappers the first that holds weights counts; single numbers, such as the decay beside averaged weights, are none.
 *
 * @returns null when there are no tensors under names, or under one of the known wrappers
 */
export function findStateDict(content: unknown): StateDict | null {
  return search(content, [])
}

function search(content: unknown, path: readonly string[]): StateDict | null {
  if (!(content instanceof Map)) return null
  const dictionary = content as ReadonlyMap<unknown, unknown>
  for (const key of path.length < deepest ? wrappers : []) {
    const inner = search(dictionary.get(key), [...path, key])
    if (inner !== null) return inner
  }
  const tensors = tensorsOf(dictionary)
  return [...tensors.values()].some(({ shape }) => shape.length > 0) ? described(tensors, path) : null
}

/** The keys of a dictionary that holds no weights, for a message. */
export function keysOf(content: unknown): string {
  if (!(content instanceof Map)) return 'no dictionary'
  const keys = [...content.keys()].slice(0, 10).map((key) => JSON.stringify(String(key)))
  return `a dictionary of ${keys.join(', ') || 'nothing'}`
}

function tensorsOf(dictionary: ReadonlyMap<unknown, unknown>): Map<string, TorchTensor> {
  const found = new Map<string, TorchTensor>()
  for (const [key, value] of dictionary) {
    if (typeof key === 'string' && value instanceof TorchTensor) found.set(key, value)
  }
  return found
}

function described(tensors: Map<string, TorchTensor>, path: readonly string[]): StateDict {
  const removed: string[] = []
  let current = tensors
  for (;;) {
    // torch's AveragedModel counts its updates beside the prefixed weights.
    const names = [...current.keys()].filter((name) => name !== 'n_averaged')
    const prefix = prefixes.find((start) => names.length > 0 && names.every((name) => name.startsWith(start)))
    if (prefix === undefined) break
    removed.push(prefix)
    current = new Map(names.map((name) => [name.slice(prefix.length), current.get(name) as TorchTensor]))
  }
  const words = [
    path.length === 0 ? '' : `under ${path.map((key) => `"${key}"`).join(' in ')}`,
    removed.length === 0 ? '' : `without the prefix "${removed.join('')}"`,
  ]
  return { tensors: current, found: words.filter((text) => text !== '').join(', ') }
}
