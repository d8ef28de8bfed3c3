/**
 * The file of a sweep (`--space`): which phases a trial runs, what it is judged by, and the space.
 *
 *   phases: [arcface]                  # every trial
 *   shared: [supcon]                   # once, before the trials
 *   objective: validation_accuracy     # of the last phase; or a list of { metric, direction }
 *   direction: maximize
 *   space:
 *     arcface.lr: { low: 3e-4, high: 1e-2, log: true }
 *     arcface.batch_size: [32, 64, 128]
 *     arcface.momentum: { low: 0.8, high: 0.99, when: { arcface.optimizer: sgd } }
 *   enqueue:
 *     - { arcface.lr: 1e-3, arcface.batch_size: 64, … }
 */
import { z } from 'zod'
import { phaseNames, trainingPhaseNames, type PhaseName } from '../phases/context.ts'
import { Space, type Direction, type Distribution, type ParameterDefinition, type Params } from '../sweep/index.ts'
import { ConfigError } from '../util/errors.ts'
import { didYouMean } from '../util/suggest.ts'
import { listKeys } from './describe.ts'
import { camelCase } from './names.ts'
import { configError, describeIssues, show } from './problems.ts'
import { readYamlFile } from './read-yaml.ts'
import { configSchema } from './schema.ts'
import { emptyMap, find, toPlain, type MapNode, type Node } from './tree.ts'

export interface SweepFile {
  readonly path: string
  readonly phases: readonly PhaseName[]
  readonly shared: readonly PhaseName[]
  readonly objectives: readonly { readonly metric: string; readonly direction: Direction }[]
  /** parameters are configuration keys as they were written: `arcface.batch_size` */
  readonly space: Space
  /** file and line of a parameter, or of a key such as objective */
  readonly lineOf: (name: string) => string
  readonly enqueue: readonly Params[]
}

const directionSchema = z.enum(['minimize', 'maximize'])
const phaseList = z.array(z.enum<readonly PhaseName[]>(phaseNames))
const headSchema = z.strictObject({
  phases: phaseList.min(1).default(['arcface']),
  shared: phaseList.default([]),
  objective: z
    .union([
      z.string().min(1),
      z.array(z.strictObject({ metric: z.string().min(1), direction: directionSchema })).min(1),
    ])
    .default('validation_accuracy'),
  direction: directionSchema.optional(),
})

const rangeSchema = z.strictObject({
  type: z.enum(['float', 'int']).optional(),
  low: z.number(),
  high: z.number(),
  log: z.boolean().optional(),
  step: z.number().optional(),
})
const choicesSchema = z.strictObject({ choices: z.array(z.json()), weights: z.array(z.number()).optional() })

/** @throws {ConfigError} with file and line for what cannot be read, keys that no configuration has, and contradictory spaces */
export function readSweepFile(path: string): SweepFile {
  const tree = readYamlFile(path)
  for (const [key, { origin, written }] of tree.entries) {
    if (['phases', 'shared', 'objective', 'direction', 'space', 'enqueue'].includes(key)) continue
    throw new ConfigError(`${origin}: unknown key "${written}".${didYouMean(written, Object.keys(headSchema.shape))}`)
  }
  const lineOf = (key: PropertyKey | undefined): string => tree.entries.get(String(key))?.origin ?? path
  const plain = toPlain(tree) as Record<string, unknown>
  const head = headSchema.safeParse(
    Object.fromEntries(Object.entries(plain).filter(([key]) => key in headSchema.shape)),
  )
  if (!head.success) {
    throw configError(describeIssues(head.error.issues, tree, headSchema, []))
  }
  const { phases, shared, objective, direction } = head.data
  if (!phases.some((phase) => trainingPhaseNames.includes(phase)))
    throw new ConfigError(
      `${lineOf('phases')}: phases: expected at least one that trains (${trainingPhaseNames.join(', ')}).`,
    )
  const both = phases.find((phase) => shared.includes(phase))
  if (both !== undefined)
    throw new ConfigError(
      `${lineOf('shared')}: "${both}" is in phases and in shared. It can run for each trial or once.`,
    )
  if (Array.isArray(objective) && direction !== undefined)
    throw new ConfigError(`${lineOf('direction')}: direction: each objective of a list has its own. Remove this one.`)
  const objectives =
    typeof objective === 'string'
      ? [{ metric: camelCase(objective), direction: direction ?? defaultDirection(objective) }]
      : objective.map((one) => ({ ...one, metric: camelCase(one.metric) }))
  if (objectives.some(({ metric }) => metric === 'latencyMs') && !phases.includes('export'))
    throw new ConfigError(
      `${lineOf('objective')}: objective: latency_ms times the exported model: expected "export" among the phases.`,
    )
  const space = spaceOf(find(tree, ['space']), lineOf('space'))
  const parameters = find(tree, ['space'])
  return {
    path,
    lineOf: (name) =>
      (parameters?.kind === 'map' ? [...parameters.entries.values()] : []).find(({ written }) => written === name)
        ?.origin ?? lineOf(name),
    phases: inOrder(phases),
    shared: inOrder(shared),
    objectives,
    space,
    enqueue: enqueued(tree, space, path),
  }
}

function inOrder(wanted: readonly PhaseName[]): PhaseName[] {
  return phaseNames.filter((phase) => wanted.includes(phase))
}

/** Losses and errors are minimized, all else maximized. */
function defaultDirection(metric: string): Direction {
  return /loss|nll|ece|brier|error|seconds|latency|bytes/i.test(metric) ? 'minimize' : 'maximize'
}

/** @param line file and line of `space` */
function spaceOf(node: ReturnType<typeof find>, line: string): Space {
  if (node === null || node.kind !== 'map')
    throw new ConfigError(`${line}: expected "space", a map of configuration keys to what they may be.`)
  const paths = listKeys(configSchema).map((key) => key.path)
  const leaves = paths.map((keys) => keys.join('.'))
  // A choice may be a whole section: augmentations that go together.
  const sections = paths.flatMap((keys) => keys.slice(2).map((_, i) => keys.slice(0, i + 2).join('.')))
  const known = [...new Set([...leaves, ...sections])]
  const definitions = [...node.entries].map(([entryKey, { written, origin, value }]): ParameterDefinition => {
    const key = written.split('.').map(camelCase).join('.')
    if (!known.includes(key))
      throw new ConfigError(
        `${origin}: no configuration key "${written}".${didYouMean(key, known)} docs/configuration.md lists them.`,
      )
    if (value.kind === 'scalar')
      throw new ConfigError(`${origin}: ${written}: expected ${FORMS}, got ${show(value.value)}.`)
    const plain = asWritten(value)
    const isList = Array.isArray(plain) || (plain !== null && typeof plain === 'object' && 'choices' in plain)
    if (!leaves.includes(key) && !isList)
      throw new ConfigError(`${origin}: "${written}" is a section: expected a list of choices, each a map of its keys.`)
    if (Array.isArray(plain)) return { name: written, distribution: distributionOf({ choices: plain }, entryKey, node) }
    const when = value.kind === 'map' ? value.entries.get('when')?.value : undefined
    const rest = Object.fromEntries(Object.entries(plain ?? {}).filter(([name]) => name !== 'when'))
    const distribution = distributionOf(rest, entryKey, node)
    if (when === undefined) return { name: written, distribution }
    if (when.kind !== 'map') throw new ConfigError(`${origin}: when: expected a map of parameters to values.`)
    const conditions = [...when.entries.values()].map((entry) => {
      const values = toPlain(entry.value)
      return { parameter: entry.written, values: (Array.isArray(values) ? values : [values]) as (string | number)[] }
    })
    return { name: written, distribution, when: [conditions] }
  })
  try {
    return new Space(definitions)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const culprit = [...node.entries.values()].find(({ written }) =>
      error.message.startsWith(`search space: ${written}:`),
    )
    throw new ConfigError(`${culprit?.origin ?? line}: ${error.message}`)
  }
}

/** Plain data with keys as they stand in the file: a choice that is a map is shown as it was written. */
function asWritten(node: Node): unknown {
  if (node.kind === 'list') return node.items.map(asWritten)
  if (node.kind !== 'map') return toPlain(node)
  return Object.fromEntries([...node.entries.values()].map(({ written, value }) => [written, asWritten(value)]))
}

const FORMS = 'a list of choices, { choices, weights }, or { low, high, log, step, type: int }'

/** @param key of the parameter in `space`, for messages with its line */
function distributionOf(plain: object, key: string, space: MapNode): Distribution {
  const form: z.ZodType<z.infer<typeof choicesSchema | typeof rangeSchema>> =
    'choices' in plain ? choicesSchema : rangeSchema
  const parsed = form.safeParse(plain)
  if (!parsed.success) {
    const issues = parsed.error.issues.map((issue) => ({ ...issue, path: [key, ...issue.path] }))
    const problems = describeIssues(issues, space, z.object({ [key]: form }), [])
    throw new ConfigError(`${problems.join('\n')} Expected is ${FORMS}.`)
  }
  if ('choices' in parsed.data) {
    const { choices, weights } = parsed.data
    return { type: 'categorical', choices, ...(weights === undefined ? {} : { weights }) }
  }
  const { type = 'float', low, high, log, step } = parsed.data
  return { type, low, high, ...(log === undefined ? {} : { log }), ...(step === undefined ? {} : { step }) }
}

/** Keys of the points keep the spelling of the space. */
function enqueued(tree: MapNode, space: Space, path: string): Params[] {
  const list = find(tree, ['enqueue']) ?? emptyMap(path)
  if (list.kind === 'map' && list.entries.size === 0) return []
  if (list.kind !== 'list') {
    const origin = tree.entries.get('enqueue')?.origin ?? path
    throw new ConfigError(`${origin}: enqueue: expected a list of points, each a map of parameters to values.`)
  }
  return list.items.map((item) => {
    if (item.kind !== 'map') throw new ConfigError(`${item.origin}: enqueue: expected a map of parameters to values.`)
    const point = Object.fromEntries(
      [...item.entries.values()].map(({ written, value }) => [written, asWritten(value)]),
    )
    return space.check(point as Params, `${item.origin}: enqueue`)
  })
}
