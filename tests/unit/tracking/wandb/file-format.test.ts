import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import fc from 'fast-check'
import { LogFile, scanLog } from '../../../../src/tracking/wandb/log-file.ts'
import { decodeRecord, encodeRecord, toWandbJson, type WandbRecord } from '../../../../src/tracking/wandb/records.ts'
import { SnapshotError } from '../../../../src/util/errors.ts'
import { packageFile } from '../../../../src/util/package-root.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-wandb-file-'))
after(() => rmSync(root, { recursive: true, force: true }))

type Written = Exclude<WandbRecord, { kind: 'other' }>

interface Golden {
  readonly records: readonly { readonly record: Record<string, unknown>; readonly sha256: string }[]
  readonly file: { readonly bytes: number; readonly sha256: string }
  readonly uploaded: { readonly bytes: number; readonly sha256: string; readonly sent: { readonly history: unknown[] } }
}

const golden = JSON.parse(readFileSync(packageFile('tests/golden/wandb_file.json'), 'utf8')) as Golden
const records = golden.records.map(({ record }) => lengthened(record) as Written)
const encoded = records.map((record, index) => encodeRecord(index + 1, record))

/** Long texts of one letter are kept as letter and length. */
function lengthened(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if ('letter' in value && 'times' in value) return JSON.stringify(String(value.letter).repeat(Number(value.times)))
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, lengthened(inner)]))
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

let files = 0
const newPath = (): string => join(root, `${++files}.wandb`)

function written(all: readonly Uint8Array[]): string {
  const path = newPath()
  const log = LogFile.create(path)
  for (const record of all) log.append(record)
  log.close()
  return path
}

describe('wandb records', () => {
  test("are the bytes of W&B's own protobuf classes, and are read back", () => {
    const kinds = new Set(records.map(({ kind }) => kind))
    assert.deepEqual([...kinds], ['header', 'run', 'metric', 'history', 'summary', 'exit'])
    for (const [index, bytes] of encoded.entries()) {
      assert.equal(sha256(bytes), golden.records[index]?.sha256, `record ${index + 1}`)
      assert.deepEqual(decodeRecord(bytes), { num: index + 1, record: records[index] })
    }
  })

  test('an exit code may be negative, and NaN and infinities are values', () => {
    const exit: Written = { kind: 'exit', exitCode: -1, runtime: 3 }
    assert.deepEqual(decodeRecord(encodeRecord(9, exit)), { num: 9, record: exit })
    const values = [NaN, Infinity, -Infinity, 0.1, null, 'ä"', [1], undefined]
    assert.deepEqual(values.map(toWandbJson), ['NaN', 'Infinity', '-Infinity', '0.1', 'null', '"ä\\""', '[1]', 'null'])
  })

  test('bytes that are no record are null, whatever they are', () => {
    assert.equal(decodeRecord(Uint8Array.of(0x12, 0x7f)), null)
    assert.equal(decodeRecord(new Uint8Array(20).fill(0xff)), null)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        decodeRecord(bytes)
      }),
      { numRuns: 3000 },
    )
  })
})

describe('wandb file', () => {
  test("has the bytes of a file that W&B's own client uploaded row by row", () => {
    const bytes = readFileSync(written(encoded))
    assert.deepEqual({ bytes: bytes.length, sha256: sha256(bytes) }, golden.file)
    const { sent, ...file } = golden.uploaded
    const isFirst = (record: Written): boolean => record.kind !== 'run' || !record.resume
    const uploaded = readFileSync(written(encoded.filter((_, index) => isFirst(records[index] as Written))))
    assert.deepEqual({ bytes: uploaded.length, sha256: sha256(uploaded) }, file)
    assert.equal(sent.history.length, records.filter(({ kind }) => kind === 'history').length)
  })

  test('any records come back, wherever the blocks end', () => {
    const sizes = fc.array(fc.oneof(fc.nat(60), fc.integer({ min: 32_600, max: 32_900 }), fc.nat(99_000)), {
      maxLength: 12,
    })
    fc.assert(
      fc.property(sizes, fc.nat(255), (lengths, seed) => {
        const all = lengths.map((length, index) => new Uint8Array(length).fill((seed + index) % 256))
        const found = scanLog(readFileSync(written(all)))
        assert.deepEqual(found.records.map(sha256), all.map(sha256))
      }),
      { numRuns: 150 },
    )
  })

  test('a file cut off at any byte, or damaged, gives its whole records, and goes on behind them', () => {
    const all = [10, 32_000, 700, 40_000, 3].map((length, index) => new Uint8Array(length).fill(index + 1))
    const whole = readFileSync(written(all))
    const { starts } = scanLog(whole)
    const ends = [...starts.slice(1), whole.length]
    for (let size = 0; size <= whole.length; size += size % 32_768 < 20 || size % 32_768 > 32_740 ? 1 : 517) {
      const path = newPath()
      writeFileSync(path, whole.subarray(0, size))
      const { file, records: kept } = LogFile.reopen(path)
      assert.equal(kept.length, ends.filter((end) => end <= size).length, `of ${size} bytes`)
      file.append(Uint8Array.of(9, 9))
      file.close()
      const again = scanLog(readFileSync(path)).records
      assert.deepEqual(again.map(sha256), [...all.slice(0, kept.length), Uint8Array.of(9, 9)].map(sha256))
      rmSync(path)
    }
    for (const [record, start] of starts.entries()) {
      const damaged = Buffer.from(whole)
      const place = start + (record === 0 ? 7 : 0) + 8
      damaged[place] = ~(damaged[place] ?? 0)
      assert.equal(scanLog(damaged).records.length, record)
    }
  })

  test('records are taken back, and the next ones stand in their place', () => {
    const path = written([Uint8Array.of(1), new Uint8Array(40_000), Uint8Array.of(3)])
    const { file } = LogFile.reopen(path)
    file.cut(5)
    assert.equal(file.count, 3)
    file.cut(1)
    assert.equal(file.count, 1)
    file.append(Uint8Array.of(4))
    file.cut(0)
    file.append(Uint8Array.of(5))
    file.close()
    assert.deepEqual(
      scanLog(readFileSync(path)).records.map((each) => [...each]),
      [[5]],
    )
  })

  test('is not begun where a file is, and another file is not gone on with', () => {
    const path = written([Uint8Array.of(1)])
    assert.throws(() => LogFile.create(path), SnapshotError)
    truncateSync(path, 3)
    appendFileSync(path, 'something else')
    assert.deepEqual(scanLog(readFileSync(path)), { records: [], starts: [], end: 0 })
  })
})
