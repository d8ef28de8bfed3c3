/** What was found in a data set as one HTML page: no script, nothing from elsewhere. */
import { escapeHtml } from '../util/html.ts'
import { barChartSpec } from './bar-chart.ts'
import { renderSvg } from './render.ts'

/** A picture under its caption. */
export interface PagePicture {
  /** "data:image/…". */
  readonly source: string
  readonly name: string
  readonly caption: string
}

export interface InspectionPage {
  readonly title: string
  /** What counts, a line each. */
  readonly facts: readonly (readonly [what: string, value: string])[]
  readonly classNames: readonly string[]
  readonly parts: readonly { readonly name: string; readonly classCounts: readonly number[] }[]
  readonly dimensions: readonly { readonly height: number; readonly width: number; readonly count: number }[]
  readonly samples: readonly PagePicture[]
  readonly unreadable: readonly { readonly path: string; readonly reason: string }[]
  /** Groups of pictures that belong together, with how many there are in all. */
  readonly groups: readonly {
    readonly title: string
    readonly note: string
    readonly total: number
    readonly shown: readonly (readonly PagePicture[])[]
    /** How many of the total that is; default: the number of groups. */
    readonly shownCount?: number
  }[]
}

/** Classes of a chart: more would make it longer than a screen. */
const MOST_BARS = 60

export async function inspectionPage(page: InspectionPage): Promise<string> {
  const sections: string[] = []
  const facts = page.facts.map(([what, value]) => `<tr><th>${escapeHtml(what)}</th><td>${escapeHtml(value)}</td></tr>`)
  sections.push(`<table class="facts">${facts.join('')}</table>`)
  sections.push(section('A picture of each class', '', gallery(page.samples)))
  sections.push(section('Class balance', balanceNote(page), await balance(page)))
  sections.push(
    section(
      'Sizes as stored',
      page.dimensions.length > 1 ? `${page.dimensions.length} different ones` : '',
      await sizes(page),
    ),
  )
  for (const { title, note, total, shown, shownCount = shown.length } of page.groups) {
    const more = total > shownCount ? ` The first ${shownCount} are shown.` : ''
    const html =
      shown.length === 0
        ? '<p class="none">None.</p>'
        : shown.map((group) => `<div class="group">${gallery(group)}</div>`).join('\n')
    sections.push(section(`${title}: ${total}`, total === 0 ? '' : `${note}${more}`, html))
  }
  const rows = page.unreadable
    .slice(0, 200)
    .map(({ path, reason }) => `<tr><td>${escapeHtml(path)}</td><td>${escapeHtml(reason)}</td></tr>`)
  sections.push(
    section(
      `Unreadable: ${page.unreadable.length}`,
      '',
      rows.length === 0 ? '<p class="none">None.</p>' : `<table>${rows.join('\n')}</table>`,
    ),
  )
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>${escapeHtml(page.title)}</title><style>${STYLE}</style></head>
<body><h1>${escapeHtml(page.title)}</h1>
${sections.join('\n')}
</body></html>
`
}

function section(title: string, note: string, html: string): string {
  return `<section><h2>${escapeHtml(title)}</h2>${note === '' ? '' : `<p class="note">${escapeHtml(note)}</p>`}${html}</section>`
}

function gallery(pictures: readonly PagePicture[]): string {
  const figures = pictures.map(
    ({ source, name, caption }) =>
      `<figure><img src="${escapeHtml(source)}" alt="${escapeHtml(name)}" title="${escapeHtml(name)}"><figcaption>${escapeHtml(caption)}</figcaption></figure>`,
  )
  return `<div class="gallery">${figures.join('')}</div>`
}

function balanceNote({ classNames, parts }: InspectionPage): string {
  const cut =
    classNames.length > MOST_BARS ? ` The ${MOST_BARS} largest of ${classNames.length} classes are shown.` : ''
  return parts
    .map(({ name, classCounts }) => `${name}: ${Math.min(...classCounts)} to ${Math.max(...classCounts)} a class`)
    .join('; ')
    .concat('.', cut)
}

async function balance({ classNames, parts }: InspectionPage): Promise<string> {
  const order = Array.from(classNames.keys())
  const total = (label: number): number => parts.reduce((sum, { classCounts }) => sum + (classCounts[label] ?? 0), 0)
  const chosen =
    order.length > MOST_BARS ? order.sort((a, b) => total(b) - total(a) || a - b).slice(0, MOST_BARS) : order
  if (chosen.length === 0) return '<p class="none">No classes.</p>'
  return renderSvg(
    barChartSpec({
      title: 'Pictures of each class',
      xTitle: 'pictures',
      categories: chosen.map((label) => classNames[label] ?? ''),
      series: parts.map(({ name, classCounts }) => ({ name, values: chosen.map((label) => classCounts[label] ?? 0) })),
    }),
  )
}

async function sizes({ dimensions }: InspectionPage): Promise<string> {
  const shown = dimensions.slice(0, 20)
  if (shown.length === 0) return '<p class="none">No picture can be read.</p>'
  return renderSvg(
    barChartSpec({
      title: 'Most frequent sizes (width × height)',
      xTitle: 'pictures',
      categories: shown.map(({ height, width }) => `${width} × ${height}`),
      series: [{ name: 'pictures', values: shown.map(({ count }) => count) }],
    }),
  )
}

const STYLE = `
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1000px; margin: 24px auto; padding: 0 20px; color: #1c2330; background: #fff; }
h1 { font-size: 24px; overflow-wrap: anywhere; } h2 { font-size: 18px; margin: 32px 0 4px; }
.note, .none { color: #5b6472; margin: 2px 0 10px; }
table { border-collapse: collapse; font-size: 14px; } th, td { text-align: left; padding: 3px 14px 3px 0; vertical-align: top; overflow-wrap: anywhere; }
.facts th { font-weight: 500; color: #5b6472; white-space: nowrap; }
.gallery { display: flex; flex-wrap: wrap; gap: 10px; } figure { margin: 0; width: 112px; }
img { width: 96px; height: 96px; object-fit: cover; border-radius: 4px; border: 1px solid #dde1e7; image-rendering: auto; }
figcaption { font-size: 12px; color: #333c4a; overflow-wrap: anywhere; line-height: 1.3; }
.group { border-left: 3px solid #c9d3e2; padding: 4px 0 4px 12px; margin: 10px 0; } svg { max-width: 100%; height: auto; }
`
