import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { sweepReport } from '../../../src/sweep/index.ts'
import { workedTime } from '../../../src/sweep/report/timeline-chart.ts'
import {
  allFailed,
  inventedFront,
  inventedOddities,
  inventedSweep,
  trialOf,
  type InventedStudy,
} from '../../support/sweep-studies.ts'

const report = ({ study, trials }: InventedStudy): Promise<string> => sweepReport(study, trials)
const section = (html: string, id: string): string => html.split(`<section id="${id}">`)[1]!.split('</section>')[0]!
const charts = (html: string, id: string): number => section(html, id).match(/<svg/g)?.length ?? 0
/** Numbers in paths and places that no browser can draw. */
const broken = (html: string): string[] =>
  html.match(/(?:d|transform|x|y|x2|y2|width|height)="[^"]*(?:NaN|Infinity)[^"]*"/g) ?? []

describe('the report of a sweep', () => {
  it('has every chart for a study with pruned, failed, conditional and categorical parts', async () => {
    const html = await report(inventedSweep(60, 30))
    assert.deepEqual(broken(html), [])
    const expected = { history: 1, importance: 1, parallel: 1, slices: 6, contours: 6, intermediate: 1, timeline: 1 }
    for (const [id, count] of Object.entries(expected)) assert.equal(charts(html, id), count, id)
    assert.match(section(html, 'timeline'), /13\.9 h pause/)
    assert.equal(section(html, 'trials').match(/<tr/g)!.length, 61)
    assert.match(section(html, 'trials'), /failed: nan/)
  })

  it('asks for nothing from elsewhere', async () => {
    const html = await report(inventedSweep(12))
    assert.match(html, /default-src 'none'/)
    assert.doesNotMatch(html, /(?:src|href)="(?!#)/)
    assert.doesNotMatch(html, /@import|url\(/)
    assert.deepEqual(
      [...html.matchAll(/https?:\/\/[^"'\s<)]+/g)]
        .map(([url]) => url)
        .filter((url) => !url.startsWith('http://www.w3.org/')),
      [],
    )
  })

  it('shows text from outside as text', async () => {
    const { study, trials } = inventedOddities()
    const html = await sweepReport(study, trials, { command: 'a <b> & c', facts: { 'x<y': '<i>' } })
    assert.deepEqual(broken(html), [])
    assert.equal(html.match(/<\/script>/g)?.length, 1)
    for (const tag of ['<b>', '<i>', '<gelu>', '<x>', '<script>alert']) assert.ok(!html.includes(tag), tag)
    assert.match(html, /&lt;\/script&gt;&lt;b&gt;x/)
    const failed = await report(allFailed())
    assert.match(section(failed, 'trials'), /&lt;b&gt;no&lt;\/b&gt; such &quot;thing&quot; &amp; more/)
  })

  it('says what is missing where there is nothing to draw', async () => {
    const none = await report({ study: inventedSweep(1).study, trials: [] })
    assert.match(section(none, 'best'), /No trial is complete yet/)
    assert.match(section(none, 'trials'), /There are no trials yet/)
    assert.equal(none.match(/<svg/g), null)
    const failed = await report(allFailed())
    assert.match(section(failed, 'history'), /No trial is complete yet/)
    assert.match(section(failed, 'intermediate'), /No trial has reported/)
    assert.equal(charts(failed, 'timeline'), 1)
    const one = await report(inventedSweep(1))
    assert.deepEqual(broken(one), [])
    assert.equal(charts(one, 'history'), 1)
    assert.match(section(one, 'importance'), /needs four complete trials/)
    assert.match(section(one, 'contours'), /need four complete trials/)
  })

  it('shows a Pareto front for two objectives, three views of it for three, and no intermediate values', async () => {
    const two = await report(inventedFront(20))
    assert.equal(charts(two, 'pareto'), 1)
    assert.equal(charts(two, 'history'), 2)
    assert.doesNotMatch(two, /id="intermediate"/)
    const three = await report(inventedFront(20, 3))
    assert.equal(charts(three, 'pareto'), 3)
    assert.deepEqual([...broken(two), ...broken(three)], [])
  })

  it('counts states and names the best', async () => {
    const { study } = inventedSweep(1)
    const params = { ...inventedSweep(1).trials[0]!.params }
    const trials = [
      trialOf(0, { params, values: [0.5] }),
      trialOf(1, { params, values: [0.75] }),
      trialOf(2, { params, state: 'failed', failure: { kind: 'nan', message: 'x' } }),
      trialOf(3, { params, state: 'pruned' }),
      trialOf(4, { params, state: 'running', finishedAt: null }),
      trialOf(5, { params, state: 'waiting', startedAt: null, finishedAt: null }),
    ]
    const html = await report({ study, trials })
    assert.match(
      html,
      /4 finished trials \(2 complete, 1 pruned, 1 failed, 1 running, 1 waiting, 1 of the failed NaN\)/,
    )
    assert.match(html, /<strong>validation_accuracy 0\.75<\/strong> in trial 1/)
  })
})

describe('time worked', () => {
  it('leaves out long pauses and keeps short ones', () => {
    const spans = [
      { from: 1000, to: 2000 },
      { from: 2010, to: 3000 },
      { from: 1500, to: 2500 },
      { from: 90_000, to: 91_000 },
    ]
    const { at, pauses } = workedTime(spans)
    assert.deepEqual(pauses, [{ place: 2000, length: 87_000 }])
    assert.deepEqual([1000, 2010, 90_000, 91_000].map(at), [0, 1010, 2000, 3000])
  })
})
