/** Which folder may refer to which: the layers of docs/architecture.md as data. */
import { folderOf, type Edge } from './sources.ts'

/** Folders of src/, lowest layer first. Folders of one layer do not import each other. */
export const layers: readonly (readonly string[])[] = [
  ['util'],
  ['binding'],
  [
    ...['losses', 'metrics', 'ood', 'calibration', 'explain', 'augment', 'data', 'models', 'optim', 'snapshot'],
    ...['export', 'predict', 'report', 'tracking'],
  ],
  ['train', 'evaluation'],
  ['phases', 'sweep'],
  ['config', 'conformance'],
  ['cli'],
]

/** The one edge between siblings: a loader applies an augmentation plan. */
const allowedSiblings = new Set(['data → augment'])

/**
 * Files that other folders take without their folder's index.ts. Those of util are single tools. Names, folders and option schemas
 * of the phases are declarations: help, --plan and configuration errors read them without loading what runs a phase.
 */
const publicFiles =
  /^src\/(util\/[^/]+|phases\/(context|lineage-record|pipeline-config|run-folder|options\/[^/]+)|[^/]+\/index)\.ts$/

const levelOf = (folder: string): number => layers.findIndex((layer) => layer.includes(folder))

/** What is wrong with an import between folders of src/, or null. */
export function importProblem(edge: Edge): string | null {
  const from = folderOf(edge.from)
  const to = folderOf(edge.to)
  if (!edge.to.startsWith('src/')) return edge.to === 'package.json' ? null : 'it leaves src/'
  if (from === to) return null
  // src/index.ts re-exports the library; the command line is no part of it.
  if (from === '') return to === 'cli' ? 'the library does not need the command line' : null
  if (to === '') return 'src/index.ts is for users of the library'
  if (levelOf(from) < 0) return `src/${from} belongs to no layer: add it to docs/architecture.md and to this list`
  if (levelOf(to) < 0) return `src/${to} belongs to no layer: add it to docs/architecture.md and to this list`
  if (levelOf(to) > levelOf(from)) return `${to} lies above ${from}`
  if (levelOf(to) === levelOf(from) && !allowedSiblings.has(`${from} → ${to}`)) return `${from} and ${to} are siblings`
  if (!publicFiles.test(edge.to)) return `the public surface of ${to} is its index.ts`
  return null
}

/** Folders of native/ → the folders that they may include besides their own. `null`: any. */
const mayInclude: Readonly<Record<string, readonly string[] | null>> = {
  core: [],
  nn: ['core', 'kernels'],
  optim: ['core'],
  augment: ['core'],
  data: ['core', 'augment'],
  kernels: ['core'],
  dispatch: ['core'],
  snapshot: ['core'],
  export: ['core', 'nn', 'snapshot'],
  distributed: ['core', 'nn', 'snapshot'],
  bindings: null,
}

/** What is wrong with an #include between folders of native/, or null. */
export function includeProblem(edge: Edge): string | null {
  const from = folderOf(edge.from)
  const to = folderOf(edge.to)
  if (from === to) return null
  if (to === 'bindings') return from === '' ? null : 'only addon.cc includes bindings'
  if (from === '' || from === 'tests') return null
  const allowed = mayInclude[from]
  if (allowed === undefined)
    return `native/${from} belongs to no layer: add it to docs/architecture.md and to this list`
  if (allowed !== null && !allowed.includes(to)) return `${from} may include ${['itself', ...allowed].join(', ')}`
  return null
}
