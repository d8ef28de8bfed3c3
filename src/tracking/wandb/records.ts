/**
 * The records of a `.wandb` file, W&B's wandb_internal.proto: the handful that a run without media consists of. Values travel as JSON text.
 * https://github.com/wandb/wandb/blob/main/wandb/proto/wandb_internal.proto
 */
import { ProtobufWriter, readFields, type ProtobufField } from '../../util/protobuf.ts'

/** Name → JSON text. */
export type JsonItems = Readonly<Record<string, string>>

export type WandbRecord =
  | { readonly kind: 'header'; readonly producer: string }
  | {
      readonly kind: 'run'
      readonly id: string
      /** empty: whom the key belongs to */
      readonly entity: string
      readonly project: string
      readonly displayName: string
      readonly host: string
      /** milliseconds since 1970 */
      readonly startTime: number
      readonly config: JsonItems
      /** what the server has of this run stays, and this comes after it */
      readonly resume: boolean
    }
  /** charts of the metrics that `glob` matches have `stepMetric` as their x axis */
  | { readonly kind: 'metric'; readonly glob: string; readonly stepMetric: string }
  | { readonly kind: 'history'; readonly step: number; readonly items: JsonItems }
  | { readonly kind: 'summary'; readonly items: JsonItems }
  /** runtime in seconds */
  | { readonly kind: 'exit'; readonly exitCode: number; readonly runtime: number }
  /** of W&B's own, which nothing here writes */
  | { readonly kind: 'other' }

export type WrittenRecord = Exclude<WandbRecord, { kind: 'other' }>

/** Field of Record that holds each kind. */
const fields = { history: 2, summary: 3, metric: 12, run: 17, exit: 18, header: 21 } as const
const KEY = 1
const NESTED_KEY = 2
const VALUE_JSON = 16
const NUM = 1

/** @param num counted from 1 in the file */
export function encodeRecord(num: number, record: WrittenRecord): Buffer {
  const out = new ProtobufWriter()
  out.int(NUM, num)
  out.message(fields[record.kind], (inner) => writeRecord(inner, record))
  return Buffer.concat(out.pieces)
}

function writeRecord(out: ProtobufWriter, record: WrittenRecord): void {
  switch (record.kind) {
    case 'header':
      return out.message(1, (version) => version.string(1, record.producer))
    case 'run':
      out.string(1, record.id)
      if (record.entity !== '') out.string(2, record.entity)
      out.string(3, record.project)
      out.message(4, (config) => writeItems(config, 1, record.config, KEY))
      out.string(8, record.displayName)
      out.string(13, record.host)
      out.message(17, (time) => {
        number(time, 1, Math.floor(record.startTime / 1000))
        number(time, 2, Math.round((record.startTime % 1000) * 1e6))
      })
      return number(out, 24, Number(record.resume))
    case 'metric':
      out.string(2, record.glob)
      out.string(4, record.stepMetric)
      return out.message(6, (options) => {
        options.int(1, 1) // step_sync: a row without the step metric gets the last one
        options.int(3, 1) // defined
      })
    case 'history':
      writeItems(out, 1, record.items, NESTED_KEY)
      return out.message(2, (step) => number(step, 1, record.step))
    case 'summary':
      return writeItems(out, 1, record.items, NESTED_KEY)
    case 'exit':
      number(out, 1, record.exitCode)
      return number(out, 2, Math.round(record.runtime))
  }
}

/** In proto3 a zero is not written. */
function number(out: ProtobufWriter, field: number, value: number): void {
  if (value !== 0) out.int(field, value)
}

function writeItems(out: ProtobufWriter, field: number, items: JsonItems, key: number): void {
  for (const [name, json] of Object.entries(items))
    out.message(field, (item) => {
      item.string(key, name) // one nested key is the name itself, whatever slashes and dots it has
      item.string(VALUE_JSON, json)
    })
}

/** Null where the bytes are no record. */
export function decodeRecord(bytes: Uint8Array): { readonly num: number; readonly record: WandbRecord } | null {
  const all = readFields(bytes)
  if (all === null) return null
  const num = numberOf(all, NUM)
  for (const kind of Object.keys(fields) as (keyof typeof fields)[]) {
    const message = all.find(({ field }) => field === fields[kind])?.value
    if (message === undefined) continue
    const inner = message instanceof Uint8Array ? readFields(message) : null
    const record = inner === null ? null : readRecord(kind, inner)
    return record === null ? null : { num, record }
  }
  return { num, record: { kind: 'other' } }
}

function readRecord(kind: keyof typeof fields, inner: readonly ProtobufField[]): WandbRecord | null {
  switch (kind) {
    case 'header':
      return { kind, producer: textOf(messageOf(inner, 1), 1) }
    case 'run': {
      const config = readItems(messageOf(inner, 4))
      const time = messageOf(inner, 17)
      return {
        kind,
        id: textOf(inner, 1),
        entity: textOf(inner, 2),
        project: textOf(inner, 3),
        displayName: textOf(inner, 8),
        host: textOf(inner, 13),
        startTime: numberOf(time, 1) * 1000 + numberOf(time, 2) / 1e6,
        config,
        resume: numberOf(inner, 24) === 1,
      }
    }
    case 'metric':
      return { kind, glob: textOf(inner, 2), stepMetric: textOf(inner, 4) }
    case 'history':
      return { kind, step: numberOf(messageOf(inner, 2), 1), items: readItems(inner) }
    case 'summary':
      return { kind, items: readItems(inner) }
    case 'exit':
      return { kind, exitCode: numberOf(inner, 1), runtime: numberOf(inner, 2) }
  }
}

function readItems(inner: readonly ProtobufField[]): JsonItems {
  const items: [string, string][] = []
  for (const { field, value } of inner) {
    if (field !== 1 || !(value instanceof Uint8Array)) continue
    const item = readFields(value) ?? []
    const nested = item.filter((each) => each.field === NESTED_KEY).map((each) => text(each.value))
    items.push([nested.length > 0 ? nested.join('.') : textOf(item, KEY), textOf(item, VALUE_JSON)])
  }
  return Object.fromEntries(items)
}

function messageOf(from: readonly ProtobufField[], field: number): readonly ProtobufField[] {
  const found = from.find((each) => each.field === field)?.value
  return found instanceof Uint8Array ? (readFields(found) ?? []) : []
}

function textOf(from: readonly ProtobufField[], field: number): string {
  return text(from.find((each) => each.field === field)?.value)
}

function text(value: bigint | Uint8Array | undefined): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString('utf8') : ''
}

function numberOf(from: readonly ProtobufField[], field: number): number {
  const found = from.find((each) => each.field === field)?.value
  return typeof found === 'bigint' ? Number(BigInt.asIntN(64, found)) : 0
}

/** A value as W&B's JSON has it: NaN and the infinities are written as such, as Python's json does. */
export function toWandbJson(value: unknown): string {
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value)
  return JSON.stringify(value) ?? 'null'
}

/** A line of the server's history: an object of values that are JSON already. */
export function joinJson(items: JsonItems): string {
  return `{${Object.entries(items)
    .map(([name, json]) => `${JSON.stringify(name)}:${json}`)
    .join(',')}}`
}
