/**
 * YAML text → a tree with positions, under limits.
 *
 * Depth and size are measured on the tokens, before documents are composed: the composer recurses, and 100,000 open brackets end
 * it in a stack overflow that takes the whole process down; 50,000 keys in one map cost it 20 s. Aliases are expanded here with a
 * budget, since expanding them is what makes a small file explode.
 */

import { readFileSync, statSync } from 'node:fs'
import {
  Composer,
  type CST,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node as YamlNode,
  Parser,
} from 'yaml'
import { ConfigError } from '../util/errors.ts'
import { systemCode } from '../util/files.ts'
import { camelCase, forbiddenKeys } from './names.ts'
import { emptyMap, type Entry, type MapNode, type Node } from './tree.ts'

const MAX_BYTES = 1_000_000
const MAX_DEPTH = 32
const MAX_NODES = 5_000
const MAX_ALIASES = 100

/** Reads a configuration file. @throws {ConfigError} when it is missing, too large, not YAML or not a map */
export function readYamlFile(path: string): MapNode {
  let text: string
  try {
    const { size } = statSync(path)
    if (size > MAX_BYTES)
      throw new ConfigError(
        `${path}: expected at most ${MAX_BYTES} bytes of YAML, got ${size}. Is it a configuration file?`,
      )
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof ConfigError) throw error
    throw new ConfigError(`${path}: ${unreadable(systemCode(error))}`, { cause: error })
  }
  return readYaml(text, path)
}

/** Reads YAML text whose top level is a map (or nothing). `name` stands before the line number in messages. */
export function readYaml(text: string, name: string): MapNode {
  const node = readYamlValue(text, (line) => `${name}:${line}`)
  if (node.kind === 'map') return node
  if (node.kind === 'scalar' && node.value === null) return emptyMap(`${name}:1`)
  throw new ConfigError(
    `${node.origin}: expected keys with values, such as "seed: 1", got ${node.kind === 'list' ? 'a list' : 'a single value'}.`,
  )
}

/** Reads any YAML value. `at` turns a line number into an origin. */
export function readYamlValue(text: string, at: (line: number) => string): Node {
  if (text.length > MAX_BYTES)
    throw new ConfigError(`${at(1)}: expected at most ${MAX_BYTES} characters of YAML, got ${text.length}.`)
  const lines = new LineCounter()
  const where = (offset: number): string => at(Math.max(1, lines.linePos(offset).line))
  const tokens = [...new Parser(lines.addNewLine).parse(text)]
  checkSize(tokens, where)
  const documents = [
    ...new Composer({ lineCounter: lines, logLevel: 'silent', prettyErrors: false, version: '1.2' }).compose(
      tokens,
      true,
      text.length,
    ),
  ]
  const second = documents[1]
  if (second !== undefined)
    throw new ConfigError(`${where(second.range[0])}: expected one YAML document, found a second one after "---".`)
  const document = documents[0]
  const problem = document?.errors[0] ?? document?.warnings[0]
  if (problem !== undefined)
    throw new ConfigError(`${where(problem.pos[0])}: not valid YAML: ${firstLine(problem.message)}`)
  if (document?.contents == null) return { kind: 'scalar', value: null, origin: at(1) }
  return new Converter(document, where).convert(document.contents, 0, at(1))
}

class Converter {
  readonly #document: Document
  readonly #where: (offset: number) => string
  #nodes = 0
  #aliases = 0

  constructor(document: Document, where: (offset: number) => string) {
    this.#document = document
    this.#where = where
  }

  convert(node: YamlNode | null, depth: number, above: string): Node {
    if (node === null) return { kind: 'scalar', value: null, origin: above }
    const origin = node.range ? this.#where(node.range[0]) : above
    if (++this.#nodes > MAX_NODES)
      throw new ConfigError(`${origin}: expected at most ${MAX_NODES} values, aliases expanded; got more.`)
    if (depth > MAX_DEPTH)
      throw new ConfigError(`${origin}: expected at most ${MAX_DEPTH} levels of nesting, got more.`)
    if (isAlias(node)) {
      if (++this.#aliases > MAX_ALIASES)
        throw new ConfigError(`${origin}: expected at most ${MAX_ALIASES} aliases, got more.`)
      const target = node.resolve(this.#document)
      if (target === undefined)
        throw new ConfigError(`${origin}: alias *${node.source} has no anchor &${node.source} above it.`)
      return this.convert(target, depth + 1, origin)
    }
    if (isMap(node)) return this.#map(node.items, depth, origin)
    if (isSeq(node))
      return {
        kind: 'list',
        origin,
        items: node.items.map((item) => this.convert(item as YamlNode, depth + 1, origin)),
      }
    const { value } = node as { value: unknown }
    if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
      return { kind: 'scalar', value, origin }
    }
    throw new ConfigError(`${origin}: expected text, a number, true, false or null, got ${typeof value}.`)
  }

  #map(items: readonly { key: unknown; value: unknown }[], depth: number, origin: string): MapNode {
    const entries = new Map<string, Entry>()
    for (const { key, value } of items) {
      if (!isScalar(key)) throw new ConfigError(`${origin}: expected a plain word as key, got a list or a map.`)
      const written = String(key.value)
      const at = key.range ? this.#where(key.range[0]) : origin
      const name = camelCase(written)
      if (forbiddenKeys.has(written) || forbiddenKeys.has(name))
        throw new ConfigError(`${at}: "${written}" cannot be a key.`)
      const twin = entries.get(name)
      if (twin !== undefined)
        throw new ConfigError(
          `${at}: "${written}" is given twice; the other is "${twin.written}" at ${twin.origin}. Keep one.`,
        )
      entries.set(name, { written, origin: at, value: this.convert((value ?? null) as YamlNode | null, depth + 1, at) })
    }
    return { kind: 'map', origin, entries }
  }
}

/** Flat walk over the tokens: no recursion, so that no text can overflow the stack. */
function checkSize(tokens: readonly CST.Token[], where: (offset: number) => string): void {
  const open: [token: CST.Token, depth: number][] = tokens.map((token) => [token, 0])
  let count = 0
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [token, depth] = next
    if (depth > MAX_DEPTH)
      throw new ConfigError(`${where(token.offset)}: expected at most ${MAX_DEPTH} levels of nesting, got more.`)
    if (++count > 2 * MAX_NODES)
      throw new ConfigError(`${where(token.offset)}: expected at most ${MAX_NODES} values, got more.`)
    if (token.type === 'document' && token.value) open.push([token.value, depth])
    if ('items' in token) {
      for (const item of token.items) {
        for (const part of [item.key, item.value]) if (part) open.push([part, depth + 1])
        count += item.start.length > 8 ? item.start.length : 0
      }
    }
  }
}

function unreadable(code: string | null): string {
  if (code === 'ENOENT') return 'no such file. Check the path, or leave --config out to use the packaged one.'
  if (code === 'EISDIR') return 'expected a YAML file, got a folder. Name the file inside it.'
  if (code === 'EACCES') return 'permission denied. Make the file readable.'
  return `cannot be read (${code ?? 'unknown reason'}).`
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? ''
}
