import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { didYouMean, editDistance, nearest } from '../../../src/util/suggest.ts'

describe('suggest', () => {
  it('finds a word with a letter missing, added, changed or swapped', () => {
    for (const typo of ['temprature', 'temperaturre', 'temperatura', 'tempearture']) {
      assert.equal(nearest(typo, ['batch_size', 'temperature', 'epochs']), 'temperature')
    }
  })

  it('ignores case, dashes and underscores', () => {
    assert.equal(nearest('batchSize', ['batch_size', 'epochs']), 'batch_size')
  })

  it('says nothing when no word is near', () => {
    assert.equal(didYouMean('zebra', ['batch_size', 'lr']), '')
    assert.equal(didYouMean('ab', ['lr']), '')
  })

  it('counts the edits', () => {
    assert.equal(editDistance('kitten', 'sitting'), 3)
    assert.equal(editDistance('abcd', 'abdc'), 1)
    assert.equal(editDistance('', 'abc'), 3)
  })

  it('stays quick on a very long word', () => {
    const start = performance.now()
    assert.equal(nearest('x'.repeat(1_000_000), ['batch_size']), null)
    assert.ok(performance.now() - start < 500)
  })
})
