/** The page around the charts: one file without scripts, styles, fonts or pictures from elsewhere, for light and dark screens. */
import { escapeHtml } from '../../util/html.ts'

/** HTML that is safe already. */
export interface Section {
  readonly id: string
  readonly title: string
  /** what is seen, in a sentence or two; plain text */
  readonly note?: string
  readonly html: string
}

export function page(title: string, lead: string, sections: readonly Section[]): string {
  const links = sections.map(({ id, title: text }) => `<a href="#${id}">${escapeHtml(text)}</a>`).join('\n')
  const body = sections
    .map(({ id, title: text, note, html }) => {
      const line = note === undefined ? '' : `<p class="note">${escapeHtml(note)}</p>`
      return `<section id="${id}"><h2>${escapeHtml(text)}</h2>${line}\n${html}</section>`
    })
    .join('\n')
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<header><h1>${escapeHtml(title)}</h1>${lead}</header>
<nav>${links}</nav>
<main>
${body}
</main>
<div id="tip" hidden></div>
<script>${SCRIPT}</script>
</body>
</html>
`
}

/** A row of charts that wraps. */
export function grid(charts: readonly string[]): string {
  return `<div class="charts">${charts.map((chart) => `<figure>${chart}</figure>`).join('\n')}</div>`
}

export function emptyNote(text: string): string {
  return `<p class="empty">${escapeHtml(text)}</p>`
}

const STYLE = `
:root { color-scheme: light dark;
  --paper: #ffffff; --sheet: #f6f7f9; --ink: #1c2330; --muted: #5b6472; --line: #b9c0ca; --grid: #e6e9ee;
  --complete: #2f6fb3; --pruned: #c77700; --failed: #c3312f; --running: #8a93a0; --best: #1a8a4a;
  --band-0: #d3dbe6; --band-1: #b3c7df; --band-2: #8db0d6; --band-3: #6494c8; --band-4: #3f77b5; --band-5: #245a99; --band-6: #0b3a73; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #14171c; --sheet: #1c2027; --ink: #e8ebf0; --muted: #a3acb9; --line: #4a525e; --grid: #2a303a;
  --complete: #6aa9ec; --pruned: #f0a53c; --failed: #f2726f; --running: #7d8794; --best: #4fce85;
  --band-0: #2b333f; --band-1: #33485f; --band-2: #3b6086; --band-3: #487cab; --band-4: #5f9acf; --band-5: #8bbdea; --band-6: #cfe6fb; } }
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
header, nav, main { max-width: 1080px; margin: 0 auto; padding: 0 20px; }
h1 { font-size: 24px; margin: 28px 0 6px; overflow-wrap: anywhere; } h2 { font-size: 18px; margin: 0 0 4px; }
header p { margin: 2px 0; color: var(--muted); } header strong { color: var(--ink); }
nav { display: flex; flex-wrap: wrap; gap: 4px 16px; padding-top: 12px; padding-bottom: 4px; } a { color: var(--complete); }
section { margin: 26px 0; padding: 18px; background: var(--sheet); border-radius: 8px; --paper: var(--sheet); }
.note { margin: 0 0 10px; color: var(--muted); max-width: 80ch; } .empty { color: var(--muted); margin: 6px 0; }
.charts { display: flex; flex-wrap: wrap; gap: 12px 20px; } figure { margin: 0; max-width: 100%; overflow-x: auto; }
figure svg .mark-rect path { shape-rendering: crispEdges } table.left td.number { text-align: left }
figure svg { display: block; height: auto; max-width: 100%; } figure.wide svg { max-width: none; }
.scroll { overflow: auto; max-height: 70vh; } table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 4px 10px; border-bottom: 1px solid var(--grid); white-space: nowrap; }
td.text { white-space: normal; min-width: 16em; overflow-wrap: anywhere; } td.number, th.number { text-align: right; }
thead th { position: sticky; top: 0; background: var(--sheet); } thead button { all: unset; cursor: pointer; } thead button:focus-visible { outline: 2px solid var(--complete); }
tr.best td { font-weight: 600; } .complete { color: var(--complete) } .pruned { color: var(--pruned) } .failed { color: var(--failed) }
pre { background: var(--grid); padding: 10px; border-radius: 6px; overflow: auto; font-size: 13px; } code { overflow-wrap: anywhere; }
#tip { position: fixed; z-index: 9; max-width: 360px; padding: 6px 9px; border-radius: 6px; background: var(--ink); color: var(--paper);
  font-size: 12px; pointer-events: none; overflow-wrap: anywhere; }
@media print { nav { display: none } .scroll { max-height: none; overflow: visible } section { break-inside: avoid } }
`

/** The tip of a mark under the pointer, and tables that are sorted by a click; all else works without. */
const SCRIPT = `
(() => {
  const tip = document.getElementById('tip')
  document.addEventListener('pointermove', (event) => {
    const mark = event.target.closest && event.target.closest('svg [aria-label^="trial "]')
    tip.hidden = !mark
    if (!mark) return
    tip.textContent = mark.getAttribute('aria-label')
    const { innerWidth, innerHeight } = window
    tip.style.left = Math.max(4, Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8)) + 'px'
    tip.style.top = Math.max(4, Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8)) + 'px'
  })
  for (const button of document.querySelectorAll('thead button')) {
    let up = false
    button.addEventListener('click', () => {
      up = !up
      const cell = button.closest('th')
      const body = cell.closest('table').tBodies[0]
      const key = (row) => row.cells[cell.cellIndex].dataset.sort ?? row.cells[cell.cellIndex].textContent
      const sign = up ? 1 : -1
      const compare = (a, b) => {
        const [x, y] = [key(a), key(b)]
        if (x === '' || y === '') return (x === '') - (y === '')
        const [m, n] = [Number(x), Number(y)]
        return sign * (Number.isNaN(m) || Number.isNaN(n) ? x.localeCompare(y) : m - n)
      }
      body.append(...[...body.rows].sort(compare))
    })
  }
})()
`
