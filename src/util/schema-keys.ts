/** The keys that a zod schema has for a path, behind defaults, nulls, transforms and unions. */
import type { z } from 'zod'

/** The parts of a zod definition that lead to others. */
interface Definition {
  readonly type: string
  readonly innerType?: z.ZodType
  readonly in?: z.ZodType
  readonly options?: readonly z.ZodType[]
  readonly shape?: Readonly<Record<string, z.ZodType>>
  readonly left?: z.ZodType
  readonly right?: z.ZodType
}

/** The keys that are allowed at a camelCase path of a schema; empty where the path leads to no map. */
export function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let candidates: z.ZodType[] = objectsOf(schema)
  for (const part of path) {
    candidates = candidates.flatMap((object) => {
      const next = shapeOf(object)[String(part)]
      return next === undefined ? [] : objectsOf(next)
    })
  }
  return [...new Set(candidates.flatMap((object) => Object.keys(shapeOf(object))))]
}

/** Every path of a schema that ends with `key`, leaf or map, the shortest first. Paths are camelCase. */
export function pathsTo(schema: z.ZodType, key: string): string[][] {
  const paths = new Map<string, string[]>()
  const collect = (under: z.ZodType, above: readonly string[]): void => {
    for (const object of objectsOf(under))
      for (const [name, field] of Object.entries(shapeOf(object))) {
        const path = [...above, name]
        if (name === key) paths.set(path.join('.'), path)
        collect(field, path)
      }
  }
  collect(schema, [])
  return [...paths.values()].sort((a, b) => a.length - b.length)
}

/** The object schemas behind a schema. */
export function objectsOf(schema: z.ZodType): z.ZodType[] {
  const definition = (schema as unknown as { _zod: { def: Definition } })._zod.def
  if (definition.type === 'object') return [schema]
  if (definition.type === 'union') return (definition.options ?? []).flatMap(objectsOf)
  if (definition.type === 'intersection')
    return [definition.left, definition.right].flatMap((side) => (side ? objectsOf(side) : []))
  const next = definition.innerType ?? definition.in
  return next === undefined ? [] : objectsOf(next)
}

/** The fields of an object schema. */
export function shapeOf(schema: z.ZodType): Readonly<Record<string, z.ZodType>> {
  return (schema as unknown as { _zod: { def: Definition } })._zod.def.shape ?? {}
}
