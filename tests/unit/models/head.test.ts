import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { torch } from '../../../src/binding/index.ts'
import { createHead, headKinds } from '../../../src/models/index.ts'
import type { HeadOptions } from '../../../src/models/index.ts'
import { ConfigError } from '../../../src/util/errors.ts'

const features = (): Float32Array => Float32Array.from({ length: 12 }, (_, i) => Math.cos(i) * 3)

describe('createHead', () => {
  it('projection › gives embeddings of unit length', async () => {
    using head = await createHead({ kind: 'projection', inFeatures: 4, hiddenFeatures: 6, outFeatures: 5, seed: 1 })
    await torch.scope(async () => {
      const z = (await head.forward(torch.tensor(features(), { shape: [3, 4] }))).toArray()
      for (let row = 0; row < 3; row++) {
        const squares = z.slice(5 * row, 5 * row + 5).map((value) => value * value)
        assert.ok(Math.abs(squares.reduce((sum, value) => sum + value, 0) - 1) < 1e-5)
      }
    })
    assert.equal(head.parameterCount, 4 * 6 + 6 + 6 * 5 + 5)
  })

  it('cosine › gives the cosine of the angle to each class direction, whatever the lengths', async () => {
    using head = await createHead({ kind: 'cosine', inFeatures: 2, numClasses: 2 })
    await torch.scope(async () => {
      await head.loadStateDict(new Map([['weight', torch.tensor([3, 0, 5, 5], { shape: [2, 2] })]]))
      const cosines = (await head.forward(torch.tensor([0, 7], { shape: [1, 2] }))).toArray()
      assert.ok(Math.abs(cosines[0]!) < 1e-6)
      assert.ok(Math.abs(cosines[1]! - Math.SQRT1_2) < 1e-6)
    })
  })

  it('linear › has a bias', async () => {
    using head = await createHead({ kind: 'linear', inFeatures: 4, numClasses: 3 })
    await torch.scope(async () => {
      const bias = head.stateDict().get('fc.bias')?.toArray()
      assert.deepEqual((await head.forward(torch.zeros([1, 4]))).toArray(), bias)
    })
  })

  it('repeats the weights of a seed', async () => {
    const weights = async (options: HeadOptions): Promise<number[]> => {
      using head = await createHead(options)
      return torch.scope(() => [...head.stateDict().values()].flatMap((tensor) => tensor.toArray()))
    }
    const sized = { inFeatures: 4, outFeatures: 3, numClasses: 3 }
    for (const kind of headKinds) {
      assert.deepEqual(await weights({ ...sized, kind, seed: 9 }), await weights({ ...sized, kind, seed: 9 }))
      assert.notDeepEqual(await weights({ ...sized, kind, seed: 9 }), await weights({ ...sized, kind, seed: 8 }))
    }
  })

  it('refuses an unknown kind and a size below 1', async () => {
    await assert.rejects(
      createHead({ kind: 'cosin', inFeatures: 4, numClasses: 3 } as unknown as HeadOptions),
      (error) => {
        assert.ok(error instanceof ConfigError)
        assert.match(error.message, /Did you mean "cosine"/)
        return true
      },
    )
    await assert.rejects(createHead({ kind: 'linear', inFeatures: 0, numClasses: 3 }), /in_features between 1/)
  })
})
