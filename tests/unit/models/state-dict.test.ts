import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { findStateDict } from '../../../src/models/checkpoint/state-dict.ts'
import { TorchTensor, type TorchStorage } from '../../../src/models/checkpoint/torch-pickle.ts'

const tensor = (...shape: number[]): TorchTensor =>
  new TorchTensor(
    {} as TorchStorage,
    'float32',
    0,
    shape,
    shape.map(() => 1),
  )
const weights = new Map([['fc.weight', tensor(2, 3)]])

describe('where the weights lie', () => {
  const cases: readonly [name: string, content: Map<string, unknown>, found: string][] = [
    [
      'beside the best accuracy as a tensor, as ImageNet examples save it',
      new Map<string, unknown>([
        ['epoch', 1],
        ['state_dict', weights],
        ['best_acc1', tensor()],
      ]),
      'under "state_dict"',
    ],
    [
      'beside the state of a random generator',
      new Map<string, unknown>([
        ['rng_state', tensor(5056)],
        ['model', weights],
      ]),
      'under "model"',
    ],
    [
      'beside settings of an average that holds no weights',
      new Map<string, unknown>([
        ['model', weights],
        ['ema', new Map<string, unknown>([['decay', tensor()]])],
      ]),
      'under "model"',
    ],
    [
      'in the averaged ones rather than the others',
      new Map([
        ['model', weights],
        ['model_ema', weights],
      ]),
      'under "model_ema"',
    ],
    ['on top', weights, ''],
  ]
  for (const [name, content, found] of cases) {
    it(name, () => {
      const state = findStateDict(content)
      assert.equal(state?.found, found)
      assert.deepEqual([...state.tensors.keys()], ['fc.weight'])
    })
  }

  it('nowhere, when there are single numbers only', () => {
    assert.equal(findStateDict(new Map([['loss', tensor()]])), null)
  })
})
