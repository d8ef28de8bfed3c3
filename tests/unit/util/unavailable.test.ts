import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { findUnavailable, unavailable } from '../../../src/util/unavailable.ts'

describe('unavailable', () => {
  const list = [unavailable('loraRank', 'LoRA adapters'), unavailable('wandb.enabled', 'Weights & Biases')]

  it('finds the options that are set', () => {
    const found = findUnavailable({ loraRank: 4, wandb: { enabled: true } }, list)
    assert.deepEqual(
      found.map((entry) => entry.key),
      ['loraRank', 'wandb.enabled'],
    )
  })

  it('lets options pass that ask for nothing', () => {
    assert.deepEqual(findUnavailable({ loraRank: 0, wandb: { enabled: false } }, list), [])
    assert.deepEqual(findUnavailable({}, list), [])
    assert.deepEqual(findUnavailable(undefined, list), [])
    assert.deepEqual(findUnavailable({ wandb: true }, list), [])
  })

  it('lets an entry decide for itself', () => {
    const entry = unavailable('tokens', 'tokens', (value) => value === 0)
    assert.equal(findUnavailable({ tokens: 0 }, [entry]).length, 1)
  })
})
