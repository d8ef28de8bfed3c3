import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { torch } from '../../../src/binding/index.ts'
import type { Tensor } from '../../../src/binding/index.ts'
import { resamplePositions } from '../../../src/models/positions.ts'

interface Case {
  readonly prefix: number
  readonly learned: number
  readonly wanted: number
  readonly width: number
  readonly values: readonly number[]
}

const cases = JSON.parse(
  readFileSync(new URL('../../golden/positions.json', import.meta.url), 'utf8'),
) as readonly Case[]
const patchSize = 4

/** The tensors of a network of `side` × `side` patches that resampling looks at. */
function network(prefix: number, side: number, width: number): Map<string, Tensor> {
  return new Map([
    ['pos_embed', torch.zeros([1, prefix + side * side, width])],
    ['patch_embed.proj.weight', torch.zeros([width, 3, patchSize, patchSize])],
  ])
}

function file(prefix: number, side: number, width: number): Map<string, Tensor> {
  const count = prefix + side * side
  const values = Float32Array.from({ length: count * width }, (_, i) => Math.sin(Math.fround(i * 1.3)))
  return new Map([['pos_embed', torch.tensor(values, { shape: [1, count, width] })]])
}

describe('resamplePositions', () => {
  for (const { prefix, learned, wanted, width, values } of cases) {
    it(`gives timm's values from ${learned} × ${learned} to ${wanted} × ${wanted} patches behind ${prefix} tokens`, () => {
      torch.scope(() => {
        const own = network(prefix, wanted, width)
        const result = resamplePositions(file(prefix, learned, width), own, wanted * patchSize)
        assert.deepEqual(result?.positions.shape, [1, prefix + wanted * wanted, width])
        result?.positions.toArray().forEach((value, i) => {
          assert.ok(Math.abs(value - (values[i] as number)) < 1e-5, `${value} and ${values[i]} at ${i}`)
        })
        assert.match(result?.note ?? '', new RegExp(`from ${learned} × ${learned} to ${wanted} × ${wanted} patches`))
      })
    })
  }

  it('leaves alone what fits, what is no square, and networks without a position embedding', () => {
    torch.scope(() => {
      const own = network(1, 3, 2)
      assert.equal(resamplePositions(file(1, 3, 2), own, 12), null)
      assert.equal(resamplePositions(new Map([['pos_embed', torch.zeros([1, 12, 2])]]), own, 12), null)
      assert.equal(resamplePositions(file(1, 4, 5), own, 12), null)
      assert.equal(resamplePositions(new Map(), own, 12), null)
      assert.equal(resamplePositions(file(1, 4, 2), new Map(), 12), null)
    })
  })
})
