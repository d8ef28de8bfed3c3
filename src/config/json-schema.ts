/** The configuration as a JSON Schema, for completion and checks in editors. */

import { z } from 'zod'
import { backboneNames } from '../models/index.ts'
import { flatKeys } from './flat-keys.ts'
import { snakeCase } from './names.ts'
import { configSchema } from './schema.ts'

type Json = { [key: string]: unknown }

/** Draft-07 schema of a configuration file, in snake_case, flat keys included. */
export function configJsonSchema(): Json {
  const schema = snakeProperties(
    z.toJSONSchema(configSchema, { io: 'input', target: 'draft-7', unrepresentable: 'any' }),
  ) as Json
  const properties = schema['properties'] as Record<string, Json>
  for (const [key, target] of Object.entries(flatKeys)) {
    const [section, name] = target.map(snakeCase) as [string, string]
    const sectionProperties = properties[section]?.['properties'] as Record<string, Json> | undefined
    const base = key === 'dataAugmentation' ? { type: 'boolean' } : { ...sectionProperties?.[name] }
    properties[snakeCase(key)] = { ...base, description: `short for ${target.map(snakeCase).join('.')}` }
  }
  const definitions: Record<string, Json> = {}
  hoistAugmentations(properties, definitions)
  const whole = hoistNames({ ...schema, title: 'Trivium configuration', type: 'object' }, definitions) as Json
  return { ...whole, definitions }
}

/** What `augmentations` may say stands in every phase, as a map and as the items of a list; it is written down once. */
function hoistAugmentations(sections: Readonly<Record<string, Json>>, definitions: Record<string, Json>): void {
  const map = { $ref: '#/definitions/augmentationMap' }
  for (const { properties } of Object.values(sections)) {
    const options = (properties as Record<string, Json> | undefined)?.['augmentations']
    if (options === undefined) continue
    const { anyOf, ...rest } = options as { anyOf: [Json, Json & { items: { anyOf: [Json, Json] } }] }
    const [asMap, asList] = anyOf
    definitions['augmentationMap'] = asMap
    definitions['augmentations'] = { anyOf: [map, { ...asList, items: { anyOf: [asList.items.anyOf[0], map] } }] }
    ;(properties as Record<string, Json>)['augmentations'] = {
      allOf: [{ $ref: '#/definitions/augmentations' }],
      ...rest,
    }
  }
}

/** The names of backbones stand in every phase; they are listed once. */
function hoistNames(value: unknown, definitions: Record<string, Json>): unknown {
  if (Array.isArray(value)) return value.map((item) => hoistNames(item, definitions))
  if (value === null || typeof value !== 'object') return value
  const { enum: names, type, ...rest } = value as Json
  if (Array.isArray(names) && names.length === backboneNames.length && names[0] === backboneNames[0]) {
    definitions['backboneName'] = { type, enum: names }
    return { allOf: [{ $ref: '#/definitions/backboneName' }], ...rest }
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, hoistNames(item, definitions)]))
}

function snakeProperties(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snakeProperties)
  if (value === null || typeof value !== 'object') return value
  const object = value as Json
  return Object.fromEntries(
    Object.entries(object).map(([key, inner]) => {
      if (key === 'properties') {
        return [
          key,
          Object.fromEntries(
            Object.entries(inner as Json).map(([name, field]) => [snakeCase(name), snakeProperties(field)]),
          ),
        ]
      }
      if (key === 'required') return [key, (inner as string[]).map(snakeCase)]
      return [key, key === 'default' || key === 'enum' ? snakeDefault(inner) : snakeProperties(inner)]
    }),
  )
}

function snakeDefault(value: unknown): unknown {
  if (Array.isArray(value) || value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [snakeCase(key), snakeDefault(inner)]))
}
