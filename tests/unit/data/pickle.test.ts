import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { readPickle } from '../../../src/data/pickle.ts'
import type { PickledArray, PickledValue } from '../../../src/data/pickle.ts'
import { DatasetError } from '../../../src/util/errors.ts'

type Name = 'python2' | 'python3' | 'textKeys' | 'fortran' | 'evil' | 'float' | 'objects' | 'protocol4'
const golden = JSON.parse(readFileSync(new URL('../../golden/data_pickle.json', import.meta.url), 'utf8')) as Record<
  Name,
  string
> & { data: { shape: number[]; bytes: string } }
const bytesOf = (name: Name): Uint8Array => new Uint8Array(Buffer.from(golden[name], 'base64'))
const read = (bytes: Uint8Array): ReadonlyMap<string, PickledValue> =>
  readPickle(bytes, 'data_batch_1') as ReadonlyMap<string, PickledValue>
const ascii = (text: string): number[] => Array.from(Buffer.from(text, 'latin1'))

function refuses(bytes: Uint8Array, pattern: RegExp): void {
  assert.throws(
    () => readPickle(bytes, 'data_batch_1'),
    (error: unknown) =>
      error instanceof DatasetError && error.message.startsWith('data_batch_1: ') && pattern.test(error.message),
  )
}

describe('pickle reader', () => {
  for (const name of ['python2', 'python3', 'fortran'] as const) {
    test(`reads arrays and labels as ${name} wrote them`, () => {
      const batch = read(bytesOf(name))
      const data = batch.get('data') as PickledArray
      assert.deepEqual(data.shape, golden.data.shape)
      assert.deepEqual(Buffer.from(data.data), Buffer.from(golden.data.bytes, 'base64'))
      assert.deepEqual(batch.get('labels'), [6, 9, 0, 3])
      if (name !== 'fortran') assert.deepEqual(batch.get('filenames'), ['a.png', 'b.png'])
    })
  }

  test('reads numbers of every width', () => {
    const batch = read(bytesOf('textKeys'))
    assert.deepEqual(batch.get('labels'), [6, 9, 0, 300])
    assert.deepEqual(batch.get('coarse'), [70000, -5])
  })

  test('calls nothing: a name outside the list is refused', () => {
    refuses(bytesOf('evil'), /"(__builtin__|builtins)\.eval" is not allowed/)
  })

  test('refuses arrays of other element types, and other protocols', () => {
    refuses(bytesOf('float'), /expected an array of uint8 but got "f4"/)
    refuses(bytesOf('objects'), /expected an array of uint8 but got "O8"/)
    refuses(bytesOf('protocol4'), /expected a pickle of protocol 2/)
  })

  test('refuses a shape that does not fit the bytes', () => {
    const bytes = bytesOf('python2')
    const at = Buffer.from(bytes).indexOf(Buffer.from([0x4b, 4, 0x4b, 6, 0x86]))
    bytes[at + 1] = 5
    refuses(bytes, /expected 5 × 6 bytes but got 24/)
  })

  test('refuses a length beyond the end without reserving it', () => {
    refuses(Uint8Array.from([0x80, 2, ...ascii('T'), 0xff, 0xff, 0xff, 0x7f, 1, 2]), /expected 2147483647 more bytes/)
  })

  test('refuses to encode the same text again and again', () => {
    const text = 'x'.repeat(1000)
    const size = [text.length & 255, text.length >> 8, 0, 0]
    const memo = [
      ...ascii('c_codecs\nencode\nq\x01X'),
      ...size,
      ...ascii(`${text}q\x02X`),
      6,
      0,
      0,
      0,
      ...ascii('latin1q\x03]'),
    ]
    const again = ascii('h\x01h\x02h\x03\x86Ra')
    const bytes = Uint8Array.from([0x80, 2, ...memo, ...Array.from({ length: 5 }, () => again).flat(), ...ascii('.')])
    refuses(bytes, /each text to be encoded once/)
  })

  test('a list that contains itself does no harm', () => {
    const value = readPickle(Uint8Array.from([0x80, 2, ...ascii(']q\x01h\x01a.')]), 'x') as unknown[]
    assert.equal(value[0], value)
  })

  test('every prefix is refused', () => {
    for (const name of ['python2', 'python3'] as const) {
      const bytes = bytesOf(name)
      for (let end = 0; end < bytes.length; end++) {
        assert.throws(() => readPickle(bytes.subarray(0, end), 'x'), DatasetError, `${name} cut at ${end}`)
      }
    }
  })

  test('20,000 mutated pickles end in a value or a DatasetError', () => {
    let state = 99
    const random = (bound: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return Math.floor((state / 2 ** 32) * bound)
    }
    const seeds = (['python2', 'python3', 'textKeys', 'fortran', 'evil', 'float'] as const).map(bytesOf)
    const opcodes = Uint8Array.from(ascii('}](N\x88\x89KMJ\x8aUTXqrhj\x85\x86\x87taesucRb.)CB'))
    let refused = 0
    for (let round = 0; round < 20_000; round++) {
      const bytes = Uint8Array.from(seeds[random(seeds.length)] as Uint8Array)
      for (let change = 0; change <= random(4); change++) {
        bytes[random(bytes.length)] = random(2) ? random(256) : (opcodes[random(opcodes.length)] as number)
      }
      try {
        readPickle(bytes.subarray(0, random(8) === 0 ? random(bytes.length) : bytes.length), 'x')
      } catch (error) {
        assert.ok(error instanceof DatasetError, `round ${round}: ${String(error)}`)
        refused++
      }
    }
    assert.ok(refused > 1000, `${refused} refused`)
    assert.equal(({} as Record<string, unknown>)['polluted'], undefined)
  })
})
