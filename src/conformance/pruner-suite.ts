/** What every pruner must do. A pruner's test calls `prunerSuite(name, create)`; a user's own pruner is tested the same way. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Direction, Pruner, Trial } from '../sweep/index.ts'
import { completeTrial } from './sampler-suite.ts'

/** `prunes: false` for one that lets everything run. */
export function prunerSuite(name: string, create: () => Pruner, { prunes = true }: { prunes?: boolean } = {}): void {
  describe(`pruner ${name}`, () => {
    it('never stops the first trial', () => {
      const history: Trial[] = []
      for (let step = 1; step <= 30; step++)
        assert.equal(
          ask(
            create(),
            withCurve(0, step, (at) => at),
            history,
          ),
          false,
        )
    })

    it('never stops a trial that is the best at every step', () => {
      const history = rivals()
      for (let step = 1; step <= 27; step++) {
        assert.equal(
          ask(
            create(),
            withCurve(history.length, step, (at) => -1 - at),
            history,
          ),
          false,
          `step ${step}`,
        )
      }
    })

    it(prunes ? 'stops a trial that is the worst at every step' : 'lets even the worst trial run', () => {
      const history = rivals()
      assert.equal(
        stopsSomewhere(create(), history, (at) => 1000 + at),
        prunes,
      )
    })

    it('judges maximized values by their size: the mirror image of minimized ones', () => {
      const history = rivals()
      const mirrored = history.map(negated)
      for (let number = history.length; number < history.length + 6; number++) {
        for (let step = 1; step <= 27; step++) {
          const trial = withCurve(number, step, (at) => 20 - at * 0.1 + (number % 3) * 10)
          assert.equal(ask(create(), trial, history), ask(create(), negated(trial), mirrored, 'maximize'))
        }
      }
    })

    it('is a pure function, and leaves what it is given unchanged', () => {
      const history = rivals()
      const trial = withCurve(history.length, 9, (at) => 30 - at)
      const before = structuredClone([...history, trial])
      const pruner = create()
      const first = ask(pruner, trial, history)
      assert.equal(ask(pruner, trial, history), first)
      assert.equal(ask(create(), structuredClone(trial), structuredClone(history)), first)
      assert.deepEqual([...history, trial], before)
    })

    it('takes NaN for the worst', () => {
      const history = rivals()
      assert.equal(
        stopsSomewhere(create(), history, () => NaN),
        prunes,
      )
    })

    it('goes on beside trials that never reported, failed, or run', () => {
      const history = rivals().map((trial): Trial => {
        if (trial.number % 5 === 1) return { ...trial, reports: [] }
        if (trial.number % 5 === 2) return { ...trial, state: 'failed', values: null }
        return trial.number % 5 === 3 ? { ...trial, state: 'running', values: null } : trial
      })
      assert.equal(
        typeof ask(
          create(),
          withCurve(history.length, 9, () => 5),
          history,
        ),
        'boolean',
      )
    })

    it('carries the name that it is registered under', () => assert.equal(create().name, name))
  })
}

/** 30 complete trials of 27 steps; trial n ends n higher than the best one. */
function rivals(): Trial[] {
  return Array.from({ length: 30 }, (_, n) => ({
    ...completeTrial(n, {}, [n]),
    reports: Array.from({ length: 27 }, (_, i) => ({ step: i + 1, value: n + 10 / (i + 1) })),
  }))
}

function withCurve(number: number, steps: number, curve: (step: number) => number): Trial {
  const reports = Array.from({ length: steps }, (_, i) => ({ step: i + 1, value: curve(i + 1) }))
  return { ...completeTrial(number, {}, [0]), state: 'running', values: null, reports }
}

function negated(trial: Trial): Trial {
  return { ...trial, reports: trial.reports.map(({ step, value }) => ({ step, value: -value })) }
}

function ask(pruner: Pruner, trial: Trial, others: readonly Trial[], direction: Direction = 'minimize'): boolean {
  return pruner.shouldPrune({ trial, history: [...others, trial], direction, seed: 1 })
}

function stopsSomewhere(pruner: Pruner, history: readonly Trial[], curve: (step: number) => number): boolean {
  return Array.from({ length: 27 }, (_, i) => ask(pruner, withCurve(history.length, i + 1, curve), history)).includes(
    true,
  )
}
