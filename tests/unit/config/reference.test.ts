import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import {
  configJsonSchema,
  configReference,
  flatKeys,
  listKeys,
  configSchema,
  snakeCase,
} from '../../../src/config/index.ts'
import { packageFile } from '../../../src/util/package-root.ts'

const hint = 'run: node scripts/generate-schema.mjs'

/** Without what the formatter of the page changes: widths of columns, escapes. */
const bare = (text: string): string => text.replaceAll(/[\s\\]+/g, '').replaceAll(/-{3,}/g, '---')

describe('configuration reference', () => {
  it('is current in docs/configuration.md', () => {
    const page = readFileSync(packageFile('docs/configuration.md'), 'utf8')
    for (const table of configReference().split('\n\n')) {
      assert.ok(bare(page).includes(bare(table)), `${hint}\nmissing: ${table.slice(0, 200)}`)
    }
  })

  it('is current in configs/schema.json', () => {
    const saved: unknown = JSON.parse(readFileSync(packageFile('configs/schema.json'), 'utf8'))
    assert.deepEqual(saved, JSON.parse(JSON.stringify(configJsonSchema())), hint)
  })

  it('names every key and every flat key', () => {
    const text = configReference()
    for (const { path } of listKeys(configSchema))
      assert.ok(text.includes(snakeCase(path.at(-1) ?? '')), path.join('.'))
    for (const key of Object.keys(flatKeys)) assert.ok(text.includes(`\`${snakeCase(key)}\``), key)
  })

  it('describes a schema that knows the flat keys and refuses unknown ones', () => {
    const schema = configJsonSchema() as {
      properties: Record<string, { type?: string }>
      additionalProperties: boolean
    }
    assert.equal(schema.additionalProperties, false)
    assert.equal(schema.properties['num_epochs'] !== undefined, true)
    assert.equal(schema.properties['batchSize'], undefined)
    assert.equal(schema.properties['data_augmentation']?.type, 'boolean')
  })
})
