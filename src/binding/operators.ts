/** Any public functional ATen operator by name, through one boxed dispatcher call. */
import { context } from './context.ts'
import { native } from './native.ts'
import { Tensor } from './tensor.ts'

/** What an operator accepts: tensors, numbers, booleans, strings (element types, modes), null for an absent optional, lists. */
export type Argument = Tensor | number | bigint | boolean | string | null | undefined | readonly Argument[]
export type Keywords = Readonly<Record<string, Argument>>

function unwrap(argument: Argument): unknown {
  if (argument instanceof Tensor) return argument.handle
  return Array.isArray(argument) ? argument.map(unwrap) : argument
}

function wrap(result: unknown): unknown {
  if (Array.isArray(result)) return result.map(wrap)
  return native.isTensor(result) ? new Tensor(result as never) : result
}

function isKeywords(value: unknown): value is Keywords {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}

/** An operator, resolved once, at its first call. A trailing plain object holds keyword arguments. */
export function operator(name: string): (...args: readonly (Argument | Keywords)[]) => unknown {
  let handle: number | undefined
  return (...args) => {
    handle ??= native.resolveOperator(name)
    const last = args.at(-1)
    const keywords = isKeywords(last) ? last : null
    const positional = (keywords ? args.slice(0, -1) : args).map((argument) => unwrap(argument as Argument))
    const named = keywords && Object.fromEntries(Object.entries(keywords).map(([key, value]) => [key, unwrap(value)]))
    return wrap(native.callOperator(handle, context().mode, positional, named))
  }
}

const resolved = new Map<string, (...args: readonly (Argument | Keywords)[]) => unknown>()

/**
 * Calls an operator by its full name, e.g. `call('aten::add.Tensor', a, b, { alpha: 2 })`.
 * @throws {BindingError} for a name LibTorch does not have, or arguments that do not fit its schema
 */
export function call(name: string, ...args: readonly (Argument | Keywords)[]): unknown {
  let run = resolved.get(name)
  if (!run) resolved.set(name, (run = operator(name)))
  return run(...args)
}

/** The operator's schema, as LibTorch prints it. */
export function schemaOf(name: string): string {
  return native.operatorSchema(name)
}

/** Every "aten::" operator of this LibTorch. */
export function operatorNames(): string[] {
  return native.operatorNames()
}
