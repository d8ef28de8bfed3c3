/**
 * Vega-Lite specification → SVG → PNG, the same on every machine: one shipped font, no system fonts, no network.
 *
 * DejaVu Sans has Latin, Greek, Cyrillic, Arabic, Hebrew and many symbols, but no CJK: such characters show as boxes.
 */
import type { TopLevelSpec } from 'vega-lite'
import { packageFile } from '../util/package-root.ts'

const FONT = 'DejaVu Sans'

/** Look shared by all charts; a chart's own specification only says what differs. */
const THEME = {
  background: 'white',
  padding: 16,
  font: FONT,
  title: {
    fontSize: 14,
    fontWeight: 'normal',
    anchor: 'start',
    offset: 10,
    subtitleColor: '#666',
    subtitleFontSize: 11,
  },
  view: { stroke: '#ddd' },
  axis: {
    labelFontSize: 11,
    titleFontSize: 12,
    titleFontWeight: 'normal',
    titlePadding: 8,
    gridColor: '#eee',
    domainColor: '#999',
    tickColor: '#999',
  },
  legend: { labelFontSize: 11, titleFontSize: 12, titleFontWeight: 'normal', labelLimit: 300 },
} as const

/** The chart as a standalone SVG document. Loads Vega on first use: 0.3 s that a run without plots need not pay. */
export async function renderSvg(spec: TopLevelSpec): Promise<string> {
  const [vega, { compile }] = await Promise.all([import('vega'), import('vega-lite')])
  const { spec: compiled } = compile(spec, { config: THEME })
  const view = new vega.View(vega.parse(compiled), { renderer: 'none', logLevel: vega.Error })
  try {
    return await view.toSVG()
  } finally {
    view.finalize()
  }
}

/** The chart as PNG bytes, at twice its size in CSS pixels. */
export async function renderPng(spec: TopLevelSpec): Promise<Buffer> {
  const [svg, { Resvg }] = await Promise.all([renderSvg(spec), import('@resvg/resvg-js')])
  const font = {
    fontFiles: [packageFile('src/report/assets/DejaVuSans.ttf')],
    loadSystemFonts: false,
    defaultFontFamily: FONT,
  }
  return new Resvg(svg, { font, fitTo: { mode: 'zoom', value: 2 } }).render().asPng()
}
