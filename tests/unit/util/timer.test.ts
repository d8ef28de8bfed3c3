import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { timerDelay } from '../../../src/util/timer.ts'

describe('timerDelay', () => {
  it('gives milliseconds, and the longest delay that setTimeout knows beyond 24.8 days', () => {
    assert.equal(timerDelay(1.5), 1500)
    assert.equal(timerDelay(30 * 86_400), 2_147_483_647)
  })
})
