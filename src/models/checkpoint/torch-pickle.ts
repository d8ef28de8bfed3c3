/**
 * What torch.save pickles, as records: tensors with their place in a storage, and the containers around them. Nothing is called; a
 * fixed list of names is known. Names of things that checkpoints carry beside weights (arguments, numpy scalars, paths) stand for
 * objects that hold nothing; any other name ends the reading.
 */
import { PickledBytes, PickledTuple, globalOf } from '../../util/pickle.ts'
import type { PickleVocabulary, PickledGlobal } from '../../util/pickle.ts'
import type { DType } from '../../binding/index.ts'

export interface TorchStorage {
  readonly key: string
  /** Elements. */
  readonly length: number
  /** Bytes of one. */
  readonly itemSize: number
}

/** A tensor of the pickle; its values lie elsewhere in the file. */
export class TorchTensor {
  readonly storage: TorchStorage
  readonly dtype: DType
  /** Element of the storage at which it begins. */
  readonly first: number
  readonly shape: readonly number[]
  readonly strides: readonly number[]

  constructor(
    storage: TorchStorage,
    dtype: DType,
    first: number,
    shape: readonly number[],
    strides: readonly number[],
  ) {
    this.storage = storage
    this.dtype = dtype
    this.first = first
    this.shape = shape
    this.strides = strides
  }
}

/** Stands for what is not weights; whatever is put into it is gone. */
class Inert {
  build(): void {}
}

/** dict and its subclasses; attributes (a state dict's `_metadata`) are dropped. */
class Dictionary extends Map<unknown, unknown> {
  build(): void {}
}

interface ElementType {
  readonly dtype: DType
  readonly bytes: number
}

const types: ReadonlyMap<string, ElementType> = new Map<string, ElementType>([
  ['Float', { dtype: 'float32', bytes: 4 }],
  ['Double', { dtype: 'float64', bytes: 8 }],
  ['Half', { dtype: 'float16', bytes: 2 }],
  ['BFloat16', { dtype: 'bfloat16', bytes: 2 }],
  ['Long', { dtype: 'int64', bytes: 8 }],
  ['Int', { dtype: 'int32', bytes: 4 }],
  ['Short', { dtype: 'int16', bytes: 2 }],
  ['Char', { dtype: 'int8', bytes: 1 }],
  ['Byte', { dtype: 'uint8', bytes: 1 }],
  ['Bool', { dtype: 'bool', bytes: 1 }],
])

/** What REDUCE may call, without the arithmetic: everything a state dict of dense tensors needs. */
export function torchVocabulary(
  fail: (why: string) => never,
  ended?: (why: string) => never,
): PickleVocabulary & { readonly storages: ReadonlyMap<string, TorchStorage> } {
  const elementTypes = new Map<PickledGlobal, ElementType | null>()
  const globals = new Map<string, PickledGlobal>()
  const storages = new Map<string, TorchStorage>()
  const views = new WeakMap<object, { storage: TorchStorage; type: ElementType | null; first: number }>()

  for (const [name, type] of types) {
    const storage: PickledGlobal = { name: `torch ${name}Storage` }
    const dtype: PickledGlobal = { name: `torch ${type.dtype}` }
    for (const module of ['torch', 'torch.cuda']) globals.set(`${module} ${name}Storage`, storage)
    globals.set(`torch ${type.dtype}`, dtype)
    elementTypes.set(storage, type)
    elementTypes.set(dtype, type)
  }
  const untyped: PickledGlobal = { name: 'torch.storage UntypedStorage' }
  globals.set(untyped.name, untyped)
  elementTypes.set(untyped, null)

  /** ('storage', type, key, location, length[, view of another one]) */
  const persistent = (id: unknown): object => {
    const [kind, type, keyGiven, , length, view] = id instanceof PickledTuple ? id.items : []
    const key = textOf(keyGiven)
    const known = globalOf(type)
    const element = known === null ? undefined : elementTypes.get(known)
    if (textOf(kind) !== 'storage' || typeof key !== 'string' || element === undefined || !isCount(length)) {
      return fail('expected a storage of a known element type')
    }
    const itemSize = element?.bytes ?? 1
    const earlier = storages.get(key)
    if (earlier !== undefined && earlier.length * earlier.itemSize !== length * itemSize) {
      fail(`storage ${key} has two sizes`)
    }
    const storage = earlier ?? { key, length, itemSize }
    storages.set(key, storage)
    // (key, first element, length): how old versions stored a part of a storage.
    const [, first = 0] = view instanceof PickledTuple ? view.items : []
    if (!isCount(first)) return fail('expected the place of a view')
    const reference = {}
    views.set(reference, { storage, type: element, first })
    return reference
  }

  const rebuild = (args: readonly unknown[], given?: ElementType): TorchTensor => {
    const [reference, offset, shape, strides] = args
    const found = reference !== null && typeof reference === 'object' ? views.get(reference) : undefined
    const type = given ?? found?.type
    if (found === undefined || type === undefined || type === null || !isCount(offset)) {
      return fail('expected a tensor with its storage')
    }
    return new TorchTensor(found.storage, type.dtype, found.first + offset, counts(shape), counts(strides))
  }
  const counts = (value: unknown): readonly number[] => {
    const items = value instanceof PickledTuple ? value.items : Array.isArray(value) ? (value as unknown[]) : [null]
    return items.every(isCount) ? items : fail('expected whole numbers as sizes of a tensor')
  }
  const tensorOf = ([data]: readonly unknown[]): TorchTensor =>
    data instanceof TorchTensor ? data : fail('expected a parameter to be a tensor')

  const calls: Record<string, (args: readonly unknown[]) => unknown> = {
    'torch._utils _rebuild_tensor': (args) => rebuild(args),
    'torch._utils _rebuild_tensor_v2': (args) => rebuild(args),
    'torch._utils _rebuild_tensor_v3': (args) => {
      const dtype = globalOf(args[6])
      return rebuild(args, (dtype && elementTypes.get(dtype)) ?? fail('expected a tensor of a known element type'))
    },
    'torch._utils _rebuild_parameter': tensorOf,
    'torch._utils _rebuild_parameter_with_state': tensorOf,
    // A tensor with attributes: (function, class, its arguments, attributes).
    'torch._tensor _rebuild_from_type_v2': ([call, , args]) => {
      const known = globalOf(call)
      if (known?.call === undefined || !known.name.startsWith('torch._utils ') || !(args instanceof PickledTuple)) {
        return fail('expected a tensor with attributes')
      }
      return known.call(args.items)
    },
    'torch Size': ([sizes]) => sizes,
    'collections OrderedDict': (args) => dictionary(args[0], fail),
    'collections defaultdict': () => new Dictionary(),
    'collections Counter': () => new Inert(),
    'yacs.config CfgNode': () => new Dictionary(),
  }
  for (const [name, call] of Object.entries(calls)) globals.set(name, { name, call })
  for (const name of inertNames) globals.set(name, { name, call: () => new Inert() })
  for (const name of classNames) globals.set(name, { name })

  return { protocols: [2, 3, 4, 5], globals, persistent, fail, ...(ended === undefined ? {} : { ended }), storages }
}

/** Met beside the weights in published checkpoints. */
const inertNames = [
  'torch device',
  'torch.serialization _get_layout',
  'argparse Namespace',
  'types SimpleNamespace',
  'pathlib Path',
  'pathlib PosixPath',
  'pathlib PurePosixPath',
  'pathlib WindowsPath',
  'numpy dtype',
  'numpy.core.multiarray scalar',
  'numpy._core.multiarray scalar',
  'numpy.core.multiarray _reconstruct',
  'numpy._core.multiarray _reconstruct',
  '_codecs encode',
  ...['set', 'frozenset', 'bytearray', 'complex'].flatMap((name) => [`builtins ${name}`, `__builtin__ ${name}`]),
]

/** Named as arguments, never called. */
const classNames = [
  'numpy ndarray',
  'torch Tensor',
  'torch.nn.parameter Parameter',
  ...['list', 'dict', 'int', 'float', 'str'].flatMap((name) => [`builtins ${name}`, `__builtin__ ${name}`]),
]

/** OrderedDict([[key, value], …]), as Python 2 wrote it, or empty. */
function dictionary(pairs: unknown, fail: (why: string) => never): Dictionary {
  const result = new Dictionary()
  if (pairs === undefined) return result
  if (!Array.isArray(pairs)) return fail('expected pairs of key and value')
  for (const pair of pairs as unknown[]) {
    const [key, value] = pair instanceof PickledTuple ? pair.items : Array.isArray(pair) ? (pair as unknown[]) : []
    result.set(textOf(key), value)
  }
  return result
}

function textOf(value: unknown): unknown {
  return value instanceof PickledBytes ? value.text : value
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
