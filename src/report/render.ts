/**
 * Vega-Lite specification → SVG → PNG, the same on every machine: one shipped font, no system fonts, no network. Or → SVG inside an
 * HTML page, whose style sheet says the colours.
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

/**
 * The look inside a page: what THEME fixes are custom properties that the page defines, for a light and a dark background:
 * `--ink`, `--muted`, `--grid`, `--line`.
 */
const PAGE_THEME = {
  ...THEME,
  background: null,
  padding: 4,
  font: 'system-ui, sans-serif',
  title: { ...THEME.title, fontSize: 13, color: 'var(--ink)', subtitleColor: 'var(--muted)' },
  view: { stroke: 'var(--line)' },
  axis: {
    ...THEME.axis,
    labelColor: 'var(--muted)',
    titleColor: 'var(--ink)',
    gridColor: 'var(--grid)',
    domainColor: 'var(--line)',
    tickColor: 'var(--line)',
    labelOverlap: true,
  },
  legend: { ...THEME.legend, labelColor: 'var(--muted)', titleColor: 'var(--ink)', symbolStrokeColor: 'var(--muted)' },
  text: { color: 'var(--ink)' },
} as const

/**
 * The chart as an SVG document, or as an element of a page. Loads Vega on first use: 0.3 s that a run without plots need not pay.
 */
export async function renderSvg(spec: TopLevelSpec, look: 'document' | 'page' = 'document'): Promise<string> {
  const [vega, { compile }] = await Promise.all([import('vega'), import('vega-lite')])
  const { spec: compiled } = compile(spec, { config: look === 'page' ? (PAGE_THEME as never) : THEME })
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
