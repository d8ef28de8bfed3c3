import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  confusionMatrixChart,
  confusionMatrixSpec,
  lineChart,
  lineChartSpec,
  lrRangeChartSpec,
  histogramChartSpec,
  reliabilityDiagramSpec,
  renderPng,
  renderSvg,
  trainingCurves,
} from '../../../src/report/index.ts'
import { shortLabel } from '../../../src/report/label.ts'
import { ConfigError, ShapeError } from '../../../src/util/errors.ts'

/** Width and height of a PNG, from its header; fails on anything else. */
function sizeOf(png: Buffer): { width: number; height: number } {
  assert.equal(png.subarray(0, 8).toString('hex'), '89504e470d0a1a0a', 'a PNG signature')
  return { width: png.readUInt32BE(16), height: png.readUInt32BE(20) }
}

function identity(numClasses: number): Uint32Array {
  return Uint32Array.from({ length: numClasses ** 2 }, (_, i) => Number(i % (numClasses + 1) === 0))
}

const panel = (y: number[], title = 'train') => ({
  title,
  series: [{ name: 'training', x: y.map((_, i) => i + 1), y }],
})
const lines = (y: number[]) =>
  ({ title: 'Loss', xTitle: 'epoch', yTitle: 'loss', yScale: 'auto', panels: [panel(y)] }) as const
const paths = (svg: string): string[] =>
  [...svg.matchAll(/aria-roledescription="line mark"[^>]* d="([^"]*)"/g)].map((m) => m[1]!)

describe('confusion matrix chart', () => {
  it('renders 1, 2, 10 and 100 classes, the larger the more room', async () => {
    const widths: number[] = []
    for (const numClasses of [1, 2, 10, 100]) {
      const classNames = Array.from({ length: numClasses }, (_, c) => `class ${c}`)
      widths.push(sizeOf(await confusionMatrixChart({ confusion: identity(numClasses), classNames })).width)
    }
    assert.ok(widths[0]! > 400 && widths[2]! > widths[1]! && widths[3]! > 1.5 * widths[2]!, widths.join())
  })

  it('shows counts up to 20 classes and no count beyond', async () => {
    const names = (n: number) => Array.from({ length: n }, (_, c) => `c${c}`)
    const confusion = identity(20).map((count) => count * 4321)
    assert.match(await renderSvg(confusionMatrixSpec({ confusion, classNames: names(20) })), />4,321</)
    const larger = identity(21).map((count) => count * 4321)
    assert.doesNotMatch(await renderSvg(confusionMatrixSpec({ confusion: larger, classNames: names(21) })), />4,321</)
  })

  it('draws hostile names as text: markup, control characters, lone surrogates, equal names', async () => {
    const classNames = ['<script>alert(1)</script>', 'a & "b"', "names[0]' + 1", 'nul\u0000\ud800', 'same', 'same']
    const svg = await renderSvg(confusionMatrixSpec({ confusion: identity(6), classNames }))
    assert.doesNotMatch(svg, /<script/)
    assert.match(svg, /a &amp; "b"/)
    assert.equal(svg.match(/>same</g)?.length, 4, 'both classes on both axes')
    assert.ok(sizeOf(await confusionMatrixChart({ confusion: identity(6), classNames })).height > 400)
  })

  it('draws only the cells that are not zero', async () => {
    const classNames = Array.from({ length: 300 }, (_, c) => `c${c}`)
    const svg = await renderSvg(confusionMatrixSpec({ confusion: identity(300), classNames }))
    assert.equal(svg.match(/aria-roledescription="rect mark"/g)?.length, 300)
  })

  it('refuses a matrix of another size than the names', () => {
    assert.throws(() => confusionMatrixSpec({ confusion: identity(3), classNames: ['a', 'b'] }), ShapeError)
    assert.throws(() => confusionMatrixSpec({ confusion: new Uint32Array(0), classNames: [] }), ShapeError)
  })
})

describe('line chart', () => {
  it('renders one epoch as a point', async () => {
    const svg = await renderSvg(lineChartSpec(lines([0.5])))
    assert.equal(svg.match(/aria-roledescription="point"/g)?.length, 1)
    sizeOf(await lineChart(lines([0.5])))
  })

  it('breaks the line at NaN and says how many values are not finite', async () => {
    const svg = await renderSvg(lineChartSpec(lines([3, 2, NaN, 1.5, Infinity, 1])))
    assert.match(svg, />2 values are not finite</)
    const [path] = paths(svg)
    assert.equal(path?.match(/M/g)?.length, 3, `three pieces, got ${path}`)
  })

  it('renders values none of which is finite', async () => {
    assert.match(await renderSvg(lineChartSpec(lines([NaN, NaN]))), />2 values are not finite</)
  })

  it('takes a logarithmic axis for positive values that span a factor of 20, and only then', () => {
    const scale = (y: number[]) => JSON.stringify(lineChartSpec(lines(y))).includes('"type":"log"')
    assert.equal(scale([10, 0.1]), true)
    assert.equal(scale([10, 1]), false)
    assert.equal(scale([10, 0]), false)
    assert.equal(scale([10, -1]), false)
    assert.equal(
      JSON.stringify(lineChartSpec({ ...lines([10, 0.1]), yScale: 'linear' })).includes('"type":"log"'),
      false,
    )
  })

  it('refuses to draw no panel, and a panel without points', () => {
    assert.throws(() => lineChartSpec({ ...lines([1]), panels: [] }), ConfigError)
    assert.throws(() => lineChartSpec(lines([])), ConfigError)
  })
})

describe('training curves', () => {
  it('gives loss, accuracy and time, a panel for each phase that has values', async () => {
    const curves = await trainingCurves([
      { phase: 'supcon', epoch: 1, seconds: 2, train_loss: 6 },
      { phase: 'arcface', epoch: 1, seconds: 3, train_loss: 9, val_loss: 8, train_accuracy: 0.1, val_accuracy: 0.2 },
      { phase: 'arcface', epoch: 2, seconds: 3, train_loss: 5, val_loss: 6, train_accuracy: 0.5, val_accuracy: 0.4 },
    ])
    assert.deepEqual([...curves.keys()], ['loss-curve.png', 'accuracy-curve.png', 'time-per-epoch.png'])
    const [loss, accuracy] = [sizeOf(curves.get('loss-curve.png')!), sizeOf(curves.get('accuracy-curve.png')!)]
    assert.ok(loss.width > 1400, 'two panels')
    assert.ok(accuracy.width < 1400, 'one panel: the contrastive phase has no accuracy')
  })

  it('leaves out charts without values; an empty history gives none', async () => {
    const curves = await trainingCurves([{ phase: 'supcon', epoch: 1, train_loss: 6 }])
    assert.deepEqual([...curves.keys()], ['loss-curve.png'])
    assert.equal((await trainingCurves([])).size, 0)
  })
})

describe('histograms', () => {
  const panel = {
    title: 'vim',
    edges: [0, 1, 2],
    groups: [
      { name: 'right', counts: [3, 1] },
      { name: 'wrong', counts: [0, 2] },
    ],
  }

  it('shows shares of each group', () => {
    const { hconcat } = histogramChartSpec({ title: 'scores', xTitle: 'x', panels: [panel] }) as unknown as {
      hconcat: { data: { values: { name: string; share: number; from: number; to: number }[] } }[]
    }
    assert.deepEqual(
      hconcat[0]?.data.values.map(({ name, share, from, to }) => [name, share, from, to]),
      [
        ['right', 0.75, 0, 1],
        ['right', 0.25, 1, 2],
        ['wrong', 0, 0, 1],
        ['wrong', 1, 1, 2],
      ],
    )
  })

  it('refuses panels whose counts do not fit', () => {
    const bad = { ...panel, edges: [0, 1] }
    for (const panels of [[], [bad]])
      assert.throws(() => histogramChartSpec({ title: 'scores', xTitle: 'x', panels }), ConfigError)
  })
})

describe('reliability diagram', () => {
  it('shows the error and leaves empty bins out', async () => {
    const bins = [
      { lower: 0, upper: 0.5, count: 0, confidence: NaN, accuracy: NaN },
      { lower: 0.5, upper: 1, count: 4, confidence: 0.9, accuracy: 0.75 },
    ]
    const spec = reliabilityDiagramSpec({ bins, ece: 0.15 })
    const svg = await renderSvg(spec)
    assert.match(svg, /expected calibration error 0\.1500/)
    assert.equal(svg.match(/aria-roledescription="bar"/g)?.length, 3, 'accuracy, gap and share of one bin')
    assert.ok(sizeOf(await renderPng(spec)).height > 800)
  })
})

describe('rendering', () => {
  it('gives the same bytes twice', async () => {
    assert.deepEqual(await lineChart(lines([3, 2, 1])), await lineChart(lines([3, 2, 1])))
  })
})

describe('short label', () => {
  it('keeps both ends of a long name and counts characters, not code units', () => {
    assert.equal(shortLabel('abcdefghij', 10), 'abcdefghij')
    assert.equal(shortLabel('abcdefghijk', 10), 'abcde…hijk')
    assert.equal([...shortLabel('🐈'.repeat(30), 10)].length, 10)
  })

  it('replaces what XML cannot hold', () => {
    assert.equal(shortLabel('a\u0000b\nc\ud800d'), 'a\ufffdb\ufffdc\ufffdd')
  })
})

describe('chart of a learning-rate range test', () => {
  const points = [2, 1.5, 1, 4, 1000].map((loss, i) => ({ learningRate: 10 ** (i - 4), loss, smoothed: loss }))

  it('shows how the loss falls, whatever it rises to', async () => {
    const spec = lrRangeChartSpec({ title: 'rates', points, suggestion: 1e-3 })
    const [{ encoding }] = (spec as unknown as { layer: [{ encoding: { y: { scale: { domain: number[] } } } }] }).layer
    assert.deepEqual(encoding.y.scale.domain, [1, 2.2])
    const svg = await renderSvg(spec)
    assert.equal(paths(svg).length, 2)
    assert.match(svg, /rule mark/)
    assert.doesNotMatch(await renderSvg(lrRangeChartSpec({ title: 'rates', points, suggestion: null })), /rule mark/)
  })

  it('needs two steps with a finite loss', () => {
    const few = [points[0]!, { learningRate: 1, loss: NaN, smoothed: NaN }]
    assert.throws(() => lrRangeChartSpec({ title: 'rates', points: few, suggestion: null }), ConfigError)
  })
})
