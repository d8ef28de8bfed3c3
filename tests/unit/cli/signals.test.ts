import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { exitCodeOfSignal, handleInterrupts } from '../../../src/cli/signals.ts'

describe('interrupts', () => {
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    it(`${name} once asks to stop, twice ends the process with the cursor back`, () => {
      const events: string[] = []
      const interrupts = handleInterrupts({
        announce: () => events.push('announced'),
        restore: () => events.push('restored'),
        exitNow: (code) => events.push(`exit ${code}`),
      })
      try {
        assert.equal(interrupts.signal.aborted, false)
        process.emit(name, name)
        assert.equal(interrupts.signal.aborted, true)
        assert.equal(interrupts.received, name)
        assert.deepEqual(events, ['announced'])
        process.emit(name, name)
        assert.deepEqual(events, ['announced', 'restored', `exit ${exitCodeOfSignal(name)}`])
      } finally {
        interrupts.dispose()
      }
    })
  }

  it('are 130 and 143 for SIGINT and SIGTERM', () => {
    assert.deepEqual([exitCodeOfSignal('SIGINT'), exitCodeOfSignal('SIGTERM')], [130, 143])
  })

  it('leave no handler behind', () => {
    const before = process.listenerCount('SIGINT')
    const interrupts = handleInterrupts({
      announce: () => undefined,
      restore: () => undefined,
      exitNow: () => undefined,
    })
    assert.equal(process.listenerCount('SIGINT'), before + 1)
    interrupts.dispose()
    assert.equal(process.listenerCount('SIGINT'), before)
  })
})
