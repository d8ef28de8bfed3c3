/**
 * Configuration values that remember where they were written, so that every complaint can say `configs/cifar10.yaml:31`.
 * Keys are camelCase; `written` keeps the user's spelling.
 */

/** Where a value comes from: `configs/cifar10.yaml:31`, `--set arcface.lr=…`, `--batch_size`. */
export type Origin = string

export interface MapNode {
  readonly kind: 'map'
  readonly origin: Origin
  readonly entries: Map<string, Entry>
}

export interface Entry {
  /** The key as the user spelled it. */
  readonly written: string
  /** Where the key stands. */
  readonly origin: Origin
  readonly value: Node
}

export interface ListNode {
  readonly kind: 'list'
  readonly origin: Origin
  readonly items: readonly Node[]
}

export interface ScalarNode {
  readonly kind: 'scalar'
  readonly origin: Origin
  readonly value: string | number | boolean | null
}

export type Node = MapNode | ListNode | ScalarNode

export function emptyMap(origin: Origin): MapNode {
  return { kind: 'map', origin, entries: new Map() }
}

export function scalar(value: string | number | boolean | null, origin: Origin): ScalarNode {
  return { kind: 'scalar', value, origin }
}

/** `over` on top of `under`: maps are merged key by key, everything else is replaced. Neither argument is changed. */
export function merge(under: MapNode, over: MapNode): MapNode {
  const entries = new Map(under.entries)
  for (const [key, entry] of over.entries) {
    const below = entries.get(key)
    const value =
      below?.value.kind === 'map' && entry.value.kind === 'map' ? merge(below.value, entry.value) : entry.value
    entries.set(key, { ...entry, value })
  }
  return { kind: 'map', origin: over.origin, entries }
}

/** The node at a camelCase path, or null. */
export function find(node: Node, path: readonly PropertyKey[]): Node | null {
  let current: Node = node
  for (const part of path) {
    const next: Node | undefined = child(current, part)
    if (next === undefined) return null
    current = next
  }
  return current
}

/** Where `path` was written, or the nearest thing above it that was written. */
export function originOf(node: Node, path: readonly PropertyKey[]): Origin {
  let current = node
  let origin = node.origin
  for (const part of path) {
    const entry = current.kind === 'map' ? current.entries.get(String(part)) : undefined
    const next = child(current, part)
    if (next === undefined) break
    origin = entry?.origin ?? next.origin
    current = next
  }
  return origin
}

/** Sets a value at a camelCase path, making the maps on the way; a scalar in the way is replaced. */
export function withValue(node: MapNode, path: readonly string[], value: Node, written?: readonly string[]): MapNode {
  const [key, ...rest] = path as [string, ...string[]]
  const [spelled, ...spelledRest] = written ?? path
  const below = node.entries.get(key)?.value
  const base = below?.kind === 'map' ? below : emptyMap(value.origin)
  const inner = rest.length === 0 ? value : withValue(base, rest, value, spelledRest)
  const entries = new Map(node.entries)
  entries.set(key, { written: spelled ?? key, origin: value.origin, value: inner })
  return { ...node, entries }
}

export function without(node: MapNode, key: string): MapNode {
  const entries = new Map(node.entries)
  entries.delete(key)
  return { ...node, entries }
}

/** Plain values for the schemas. Objects have no prototype, so that no key can reach one. */
export function toPlain(node: Node): unknown {
  if (node.kind === 'scalar') return node.value
  if (node.kind === 'list') return node.items.map(toPlain)
  const object = Object.create(null) as Record<string, unknown>
  for (const [key, entry] of node.entries) object[key] = toPlain(entry.value)
  return object
}

function child(node: Node, part: PropertyKey): Node | undefined {
  if (node.kind === 'map') return node.entries.get(String(part))?.value
  return node.kind === 'list' ? node.items[Number(part)] : undefined
}
