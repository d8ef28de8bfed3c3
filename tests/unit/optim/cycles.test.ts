import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cycleEndedAt, learningRateAt, type Schedule } from '../../../src/optim/index.ts'

const ended = (epochs: number, warmupEpochs: number, cycleEpochs: number, cycleMultiplier: number): number[] =>
  Array.from({ length: epochs }, (_, i) => cycleEndedAt(i + 1, { warmupEpochs, cycleEpochs, cycleMultiplier }))

test('cycles › end after their epochs, a warm-up and longer and longer ones included', () => {
  assert.deepEqual(ended(6, 0, 2, 1), [0, 1, 0, 2, 0, 3])
  assert.deepEqual(ended(8, 1, 1, 2), [0, 1, 0, 2, 0, 0, 0, 3])
})

test('cycles › end where the schedule starts again', () => {
  const stepsPerEpoch = 5
  const schedule: Schedule = {
    kind: 'cosine_restarts',
    ...{ learningRate: 1, warmupSteps: 10, totalSteps: 100, finalFraction: 0 },
    ...{ cycle: 10, cycleMultiplier: 2, cycleDecay: 1 },
  }
  for (let epoch = 2; epoch < 20; epoch++) {
    const starts = learningRateAt(schedule, epoch * stepsPerEpoch) === 1
    const ends = cycleEndedAt(epoch, { warmupEpochs: 2, cycleEpochs: 2, cycleMultiplier: 2 }) > 0
    assert.equal(ends, starts && epoch > 2, `epoch ${epoch}`)
  }
})
