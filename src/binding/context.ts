/**
 * What holds for the calls made inside a function, synchronous or not: gradient recording, autocast, and the scope that
 * frees temporaries. It follows the asynchronous call chain, so that a loader running beside a training step keeps its own.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { BindingError } from '../util/errors.ts'

/** Anything a scope can free. */
export interface Disposable {
  dispose(): void
}

export interface Context {
  /** Bit 0: gradients are recorded. Bits 1–2: autocast (0 none, 1 bfloat16, 2 float16). Bit 3: a pass that is, or will be, captured. */
  readonly mode: number
  readonly scope: Set<Disposable> | null
}

const GRAD = 1
const AUTOCAST = 6
const CAPTURED = 8
const storage = new AsyncLocalStorage<Context>()
const root: Context = { mode: GRAD, scope: null }

export function context(): Context {
  return storage.getStore() ?? root
}

export function withoutGrad<T>(fn: () => T): T {
  const current = context()
  return storage.run({ ...current, mode: current.mode & ~GRAD }, fn)
}

export function withAutocast<T>(dtype: 'bfloat16' | 'float16' | null, fn: () => T): T {
  const current = context()
  const autocast = [null, 'bfloat16', 'float16'].indexOf(dtype)
  if (autocast < 0)
    throw new BindingError(`torch.autocast: expected "bfloat16", "float16" or null but got ${JSON.stringify(dtype)}`)
  return storage.run({ ...current, mode: (current.mode & ~AUTOCAST) | (autocast << 1) }, fn)
}

/** Calls inside run on the side stream of the graph that is being warmed up or captured (native/core/step_graph.h). */
export function withCapture<T>(fn: () => T): T {
  const current = context()
  return storage.run({ ...current, mode: current.mode | CAPTURED }, fn)
}

/**
 * What passes between host and device happens once, while a pass is captured, and never again when it is replayed.
 *
 * @throws {BindingError} inside `withCapture`
 */
export function refuseInCapture(what: string, instead: string): void {
  if ((context().mode & CAPTURED) === 0) return
  throw new BindingError(
    `${what} inside a captured pass (compile), which is replayed without asking the host again. ${instead}`,
  )
}

/** Collects every disposable in `value`: itself, or inside arrays, maps, sets and plain objects. */
function reachable(value: unknown, found: Set<unknown>, seen: Set<unknown> = new Set()): void {
  if (typeof value !== 'object' || value === null || seen.has(value)) return
  seen.add(value)
  found.add(value)
  if (Array.isArray(value) || value instanceof Set) for (const item of value) reachable(item, found, seen)
  else if (value instanceof Map) for (const item of value.values()) reachable(item, found, seen)
  else if (!ArrayBuffer.isView(value)) for (const item of Object.values(value)) reachable(item, found, seen)
}

/** Runs `fn`; frees what was made inside and is not reachable from its result, which moves to the enclosing scope. */
export function withScope<T>(fn: () => T): T {
  const outer = context()
  const scope = new Set<Disposable>()
  const close = (result: unknown): void => {
    const kept = new Set<unknown>()
    reachable(result, kept)
    for (const item of scope) {
      if (!kept.has(item)) item.dispose()
      else outer.scope?.add(item)
    }
    scope.clear()
  }
  return storage.run({ mode: outer.mode, scope }, () => {
    let result: T
    try {
      result = fn()
    } catch (thrown) {
      close(null)
      throw thrown
    }
    if (!(result instanceof Promise)) {
      close(result)
      return result
    }
    return result.then(
      (value: unknown) => {
        close(value)
        return value
      },
      (thrown: unknown) => {
        close(null)
        throw thrown
      },
    ) as T
  })
}
