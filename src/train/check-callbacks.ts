/** What a callback may be made of: a hook with a slip in its name would never be called, and nobody would notice. */
import { ConfigError } from '../util/errors.ts'
import { didYouMean, editDistance } from '../util/suggest.ts'
import type { Callback } from './callback.ts'

const told: Record<Exclude<keyof Callback, 'name' | 'state' | 'restore' | 'isBest'>, true> = {
  onStart: true,
  onStepEnd: true,
  onEpochEnd: true,
  onEpochClosed: true,
}
const hooks: readonly string[] = [...Object.keys(told), 'isBest', 'state', 'restore']

/**
 * Methods with names of their own are a callback's business, but for those that look like a hook: `on` with a capital, or a hook's name but
 * for one letter or the case.
 *
 * @returns the same ones
 * @throws {ConfigError} naming the callback, what is wrong with it, and the hook that is meant
 */
export function checkCallbacks(callbacks: readonly Callback[]): readonly Callback[] {
  for (const [index, callback] of callbacks.entries()) {
    const given: unknown = callback
    if (typeof given !== 'object' || given === null || typeof callback.name !== 'string' || callback.name === '')
      throw new ConfigError(
        `callbacks: expected objects with a name and one or more of ${hooks.join(', ')}, got something else at place ${index + 1}.`,
      )
    const where = `callback "${callback.name}"`
    const members = membersOf(callback)
    for (const hook of hooks)
      if (members.has(hook) && members.get(hook) !== undefined && typeof members.get(hook) !== 'function')
        throw new ConfigError(`${where}: expected ${hook} to be a function, got ${typeof members.get(hook)}.`)
    for (const [member, value] of members)
      if (typeof value === 'function' && !hooks.includes(member) && looksLikeHook(member))
        throw new ConfigError(
          `${where}: expected the hooks ${hooks.join(', ')}, got ${member}, which is never called.${didYouMean(member, hooks)} ` +
            'A method that is no hook needs a name that does not look like one.',
        )
    if (!hooks.some((hook) => typeof members.get(hook) === 'function'))
      throw new ConfigError(`${where}: expected one or more of ${hooks.join(', ')}, got none of them.`)
  }
  return callbacks
}

function looksLikeHook(member: string): boolean {
  const plain = member.toLowerCase().replaceAll('_', '')
  return (
    /^on[A-Z_]/.test(member) ||
    hooks.some((hook) => editDistance(plain, hook.toLowerCase(), 2) < (hook.length > 5 ? 2 : 1))
  )
}

/** Its own and inherited ones; getters are not called. */
function membersOf(callback: Callback): Map<string, unknown> {
  const members = new Map<string, unknown>()
  for (
    let of: object | null = callback;
    of !== null && of !== Object.prototype;
    of = Object.getPrototypeOf(of) as object | null
  )
    for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(of)))
      if (name !== 'constructor' && !members.has(name))
        members.set(name, 'value' in descriptor ? descriptor.value : () => undefined)
  return members
}
