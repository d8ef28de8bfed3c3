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

/** Names without the prefixes that all of them carry, `module.` of DataParallel and `_orig_mod.` of torch.compile; '' when there are none. */
export function withoutPrefixes<T>(tensors: ReadonlyMap<string, T>): { tensors: Map<string, T>; removed: string } {
  let removed = ''
  let current = new Map(tensors)
  for (;;) {
    // torch's AveragedModel counts its updates beside the prefixed weights.
    const weights = [...current].filter(([name]) => name !== 'n_averaged')
    const prefix = prefixes.find((start) => weights.length > 0 && weights.every(([name]) => name.startsWith(start)))
    if (prefix === undefined) return { tensors: current, removed }
    removed += prefix
    current = new Map(weights.map(([name, tensor]) => [name.slice(prefix.length), tensor]))
  }
}

/** The words of a log line for a removed prefix; empty for none. */
export function prefixNote(removed: string): string {
  return removed === '' ? '' : `without the prefix "${removed}"`
}

function described(found: ReadonlyMap<string, TorchTensor>, path: readonly string[]): StateDict {
  const { tensors, removed } = withoutPrefixes(found)
  const place = path.length === 0 ? '' : `under ${path.map((key) => `"${key}"`).join(' in ')}`
  return { tensors, found: [place, prefixNote(removed)].filter((text) => text !== '').join(', ') }
}
