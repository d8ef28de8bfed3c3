import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createLiveTable } from '../../../src/cli/sweep/live-table.ts'
import { MemoryStorage, Study, type Trial } from '../../../src/sweep/index.ts'
import { arcfaceSpace, inventedSweep } from '../../support/sweep-studies.ts'

const study = await Study.open({
  name: 'live',
  space: arcfaceSpace,
  storage: new MemoryStorage(),
  directions: ['maximize'],
  objectives: ['validation_accuracy'],
})
const { trials } = inventedSweep(3)
const running: Trial = { ...trials[2]!, state: 'running', values: null, reports: [{ step: 1, value: 0.5 }] }

function streamOf(isTTY: boolean, columns = 70): { stream: NodeJS.WriteStream; written: () => string } {
  let text = ''
  const stream = { isTTY, columns, write: (more: string) => (text += more) !== '' } as unknown as NodeJS.WriteStream
  return { stream, written: () => text }
}

describe('what a sweep shows', () => {
  it('is one plain line a finished trial where there is no terminal', () => {
    const { stream, written } = streamOf(false)
    const live = createLiveTable(study, 3, stream, false)
    live.update([trials[0]!, running])
    live.finished(trials[0]!, [trials[0]!, running])
    live.stop()
    assert.match(written(), /^trial 0 {2}validation_accuracy 0\.9\d+ .* best so far\n$/)
    assert.ok(!written().includes('\u001b'))
  })

  it('is redrawn on a terminal, only when something changed, in lines that do not wrap', () => {
    const { stream, written } = streamOf(true)
    const live = createLiveTable(study, 3, stream, false)
    live.update([trials[0]!, running])
    const first = written()
    live.update([trials[0]!, running])
    assert.equal(written(), first, 'nothing changed')
    assert.match(first, /^1\/3 trials, 1 complete, 0 pruned, 0 failed, 0 NaN, 1 running/)
    assert.match(first, /\n {2}2 {2}running {2}0\.5 at 1/)
    assert.ok(first.split('\n').every((line) => line.length < 70))
    live.finished(trials[1]!, trials.slice(0, 2))
    assert.ok(written().slice(first.length).startsWith('\u001b[2F\u001b[Jtrial 1 '))
    live.stop()
    assert.ok(written().endsWith('\u001b[1F\u001b[J'))
  })

  it('is nothing with --quiet', () => {
    const { stream, written } = streamOf(true)
    const live = createLiveTable(study, 3, stream, true)
    live.update(trials)
    live.finished(trials[0]!, trials)
    live.stop()
    assert.equal(written(), '')
  })
})
