/** The key tables of docs/configuration.md, from the schemas: they cannot disagree with what is read. */

import { type KeyInfo, listKeys } from './describe.ts'
import { keysAt } from '../util/schema-keys.ts'
import { flatKeys } from './flat-keys.ts'
import { snakeCase } from './names.ts'
import { configSchema } from './schema.ts'

const SECTION_NOTES: Readonly<Record<string, string>> = {
  run: 'What the run is called and where its folders are.',
  data: 'The data set. All phases.',
  backbone: 'The network of every phase that does not name its own.',
  train: 'Phase `train`: plain supervised training.',
  supcon: 'Phase `supcon`: supervised contrastive pretraining.',
  arcface: 'Phase `arcface`: metric tuning with an angular margin.',
  distill: 'Phase `distill`: distillation from the averaged weights of `arcface`, or from given files.',
  evaluate: 'Phase `evaluate`.',
  export: 'Phase `export`.',
  predict: 'Prediction stage of the orchestrator; `run-pipeline predict` takes its images from the command line.',
  logging: 'Log files and trackers.',
}

/** Markdown: one table for the general keys, one a section, the flat keys. */
export function configReference(): string {
  const keys = listKeys(configSchema)
  const general = keys.filter(({ path }) => path.length === 1 && keysAt(configSchema, path).length === 0)
  const sections = keysAt(configSchema, []).filter((name) => !general.some(({ path }) => path[0] === name))
  const parts = [`## General keys\n\n${keyTable(general, 0)}`]
  for (const section of sections) {
    const own = keys.filter(({ path }) => path[0] === section && path.length > 1 && !sharedElsewhere(path))
    const nested = ['backbone', 'teacherBackbone'].filter((key) => keysAt(configSchema, [section]).includes(key))
    const places = nested.map((key) => `\`${section}.${snakeCase(key)}.*\``).join(' and ')
    const shared =
      nested.length > 0
        ? `\n\n${places} ${nested.length > 1 ? 'take' : 'takes'} the keys of [backbone](#backbone).`
        : ''
    parts.push(`## ${snakeCase(section)}\n\n${SECTION_NOTES[section] ?? ''}\n\n${keyTable(own, 1)}${shared}`)
  }
  parts.push(`## Flat keys\n\n${flatTable()}`)
  return parts.join('\n\n')
}

/** The backbone of a phase repeats the general section; it is shown there only. */
function sharedElsewhere(path: readonly string[]): boolean {
  return path.length > 2 && /^(backbone|teacherBackbone)$/.test(path[1] ?? '')
}

function keyTable(keys: readonly KeyInfo[], skip: number): string {
  const rows = keys.map(({ path, type, default: value, description }) => [
    `\`${path.slice(skip).map(snakeCase).join('.')}\``,
    type,
    defaultText(value),
    snakeWords(description),
  ])
  return markdownTable(['key', 'value', 'default', 'meaning'], rows)
}

function flatTable(): string {
  return markdownTable(
    ['flat key', 'same as'],
    Object.entries(flatKeys).map(([key, path]) => [`\`${snakeCase(key)}\``, `\`${path.map(snakeCase).join('.')}\``]),
  )
}

function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

function defaultText(value: unknown): string {
  if (value === undefined) return ''
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``
}

/** Descriptions in the code name camelCase keys; documents show what is written in YAML. */
function snakeWords(text: string): string {
  return text.replaceAll(/\b[a-z]+(?:[A-Z][a-z]+)+\b/g, snakeCase)
}
