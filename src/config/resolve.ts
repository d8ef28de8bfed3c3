/**
 * From what was typed to a checked configuration: defaults < file < --set < flags.
 *
 * Which file: --config; else the packaged one of --dataset or --data (imagefolder); else configs/digits.yaml.
 * Which phases: --phases; else the file's `phases`; else, with flags of a plain run and no file or with flat keys, `train` and
 * `evaluate`; else every section whose `enabled` is true. A section that says `enabled: false` itself is left out in any case.
 */

import { existsSync } from 'node:fs'
import { basename, extname } from 'node:path'
import { datasetNames, type DatasetName } from '../data/index.ts'
import { phaseNames, type PhaseName, trainingPhaseNames } from '../phases/context.ts'
import { ConfigError } from '../util/errors.ts'
import { packageFile } from '../util/package-root.ts'
import { didYouMean } from '../util/suggest.ts'
import { flatKeys, type LiftedKey, liftFlatKeys } from './flat-keys.ts'
import { dotted } from './names.ts'
import { readOverrides } from './overrides.ts'
import { configError, describeIssues, show } from './problems.ts'
import { readYamlFile } from './read-yaml.ts'
import { type Config, configSchema } from './schema.ts'
import { emptyMap, find, type MapNode, merge, type Node, originOf, scalar, toPlain, withValue } from './tree.ts'

/** What the command line was given; every field is optional. */
export interface ConfigRequest {
  readonly config?: string | undefined
  readonly set?: readonly string[] | undefined
  readonly phases?: readonly string[] | undefined
  readonly name?: string | undefined
  readonly dataset?: string | undefined
  readonly data?: string | undefined
  readonly numEpochs?: number | undefined
  readonly batchSize?: number | undefined
  readonly lr?: number | undefined
  readonly weightDecay?: number | undefined
  readonly device?: string | undefined
  readonly seed?: number | undefined
}

export interface ResolvedConfig {
  readonly config: Config
  /** What runs, in order. */
  readonly phases: readonly PhaseName[]
  /** What was asked for and does not run, with the reason. */
  readonly skipped: readonly { readonly phase: PhaseName; readonly reason: string }[]
  /** What was written down on purpose for a phase that does not run, in words. */
  readonly withoutEffect: readonly string[]
  /** The file that was read. */
  readonly file: string
  /** Where a value was written; null for a default. Paths are camelCase. */
  origin(path: readonly PropertyKey[]): string | null
}

/** Whose packaged configuration fits a data set that has none of its own. */
const likeness: Readonly<Partial<Record<DatasetName, DatasetName>>> = {
  mnist: 'digits',
  fashion_mnist: 'digits',
  idx: 'digits',
  imagenet: 'imagefolder',
  manifest: 'imagefolder',
  parquet: 'imagefolder',
  webdataset: 'imagefolder',
}

/** Reads and checks everything. @throws {ConfigError} listing every problem with file and line */
export function resolveConfig(request: ConfigRequest): ResolvedConfig {
  const file = configFile(request)
  const fromFile = liftFlatKeys(readYamlFile(file))
  const overrides = readOverrides(request.set ?? [])
  const fromSet = liftFlatKeys(overrides)
  const flags = baseFlags(request)
  let tree = [fromSet.tree, flags].reduce((under, over) => merge(dropAlternative(under, over), over), fromFile.tree)
  if (find(tree, ['run', 'name']) === null)
    tree = withValue(tree, ['run', 'name'], scalar(runName(request, file), file))

  const selection = selectPhases(request, tree, fromFile.keys.length + fromSet.keys.length > 0)
  const training = trainingPhaseNames.filter((phase) => selection.phases.includes(phase))
  const phaseFlags = trainingFlags(request, training)
  tree = merge(dropAlternative(tree, phaseFlags), phaseFlags)
  for (const phase of trainingPhaseNames) tree = inheritBackbone(tree, phase)

  checkNetworkNames(tree)
  const parsed = configSchema.safeParse(toPlain(tree))
  if (!parsed.success) {
    throw configError(describeIssues(parsed.error.issues, tree, configSchema, Object.keys(flatKeys)))
  }
  const config = parsed.data
  return {
    config,
    ...selection,
    withoutEffect: [
      ...withoutEffect([...fromFile.keys, ...fromSet.keys], overrides, selection.phases),
      ...training.flatMap((phase) => idlePatience(phase, tree, fromSet.tree)),
    ],
    file,
    origin: (path) => (find(tree, path) === null ? null : originOf(tree, path)),
  }
}

/** Flat keys and --set speak of one run; a section of a file that is not run now is only waiting for its turn. */
function withoutEffect(lifted: readonly LiftedKey[], overrides: MapNode, phases: readonly PhaseName[]): string[] {
  const idle = (key: string | undefined): key is PhaseName =>
    phaseNames.some((phase) => phase === key && !phases.includes(phase))
  const flat = lifted.flatMap(({ written, origin, target: [section] }) =>
    idle(section) ? [`${origin}: "${written}" has no effect: it belongs to phase ${section}, which does not run`] : [],
  )
  const set = [...overrides.entries].flatMap(([key, { origin }]) =>
    idle(key) ? [`${origin} has no effect: phase ${key} does not run`] : [],
  )
  return [...flat, ...set]
}

/** A patience waits for nothing where early stopping is off, unless that is written down beside it: as a file keeps it for later. */
function idlePatience(phase: PhaseName, tree: MapNode, overrides: MapNode): string[] {
  const [patience, stopping] = [
    [phase, 'earlyStoppingPatience'],
    [phase, 'earlyStopping'],
  ] as const
  if (find(tree, patience) === null || isTrue(find(tree, stopping))) return []
  const isLater = find(overrides, patience) !== null && find(overrides, stopping) === null
  if (find(tree, stopping) !== null && !isLater) return []
  return [`${originOf(tree, patience)}: ${dotted(patience)} has no effect without ${dotted(stopping)}: true`]
}

function configFile(request: ConfigRequest): string {
  if (request.config !== undefined) return request.config
  const dataset = request.dataset ?? (request.data === undefined ? 'digits' : 'imagefolder')
  const known = datasetNames.find((name) => name === dataset)
  if (known === undefined) {
    throw new ConfigError(
      `--dataset: expected one of ${datasetNames.join(', ')}, got "${dataset}".${didYouMean(dataset, datasetNames)}`,
    )
  }
  const path = packageFile(`configs/${likeness[known] ?? known}.yaml`)
  if (!existsSync(path))
    throw new ConfigError(
      `${path}: no such file; the package is incomplete. Install it again, or name a file with --config.`,
    )
  return path
}

/** The file's stem; for a folder of images the folder's name. */
function runName(request: ConfigRequest, file: string): string {
  if (request.config === undefined && request.data !== undefined) {
    const name = basename(request.data.replace(/[/\\]+$/, ''))
    if (name !== '' && name !== '.' && name !== '..') return name
  }
  return basename(file, extname(file))
}

/** Flags that set the same key whatever runs. */
function baseFlags(request: ConfigRequest): MapNode {
  let flags = emptyMap('the command line')
  const set = (path: readonly string[], value: string | number | undefined, flag: string): void => {
    if (value !== undefined) flags = withValue(flags, path, scalar(value, flag))
  }
  if (request.data !== undefined && request.dataset === 'digits') {
    throw new ConfigError('--data names a folder, but the digits of --dataset ship with the package. Give one of them.')
  }
  set(
    ['data', 'dataset'],
    request.dataset ?? (request.data === undefined ? undefined : 'imagefolder'),
    request.dataset === undefined ? '--data' : '--dataset',
  )
  set(['data', 'directory'], request.data, '--data')
  set(['device'], request.device, '--device')
  set(['seed'], request.seed, '--seed')
  set(['run', 'name'], request.name, '--name')
  return flags
}

/** Flags that apply to every training phase that runs. */
function trainingFlags(request: ConfigRequest, phases: readonly PhaseName[]): MapNode {
  let flags = emptyMap('the command line')
  const values: readonly [key: string, value: number | undefined, flag: string][] = [
    ['epochs', request.numEpochs, '--num_epochs'],
    ['batchSize', request.batchSize, '--batch_size'],
    ['lr', request.lr, '--lr'],
    ['weightDecay', request.weightDecay, '--weight_decay'],
  ]
  for (const phase of phases) {
    for (const [key, value, flag] of values) {
      if (value !== undefined) flags = withValue(flags, [phase, key], scalar(value, flag))
    }
  }
  return flags
}

/** A length from a higher layer takes the place of one in another unit from a lower one: `epochs` that of `steps`. */
function dropAlternative(under: MapNode, over: MapNode): MapNode {
  let tree = under
  for (const phase of trainingPhaseNames) {
    for (const units of [
      ['epochs', 'steps', 'examples'],
      ['warmupEpochs', 'warmupSteps', 'warmupExamples'],
    ]) {
      const given = units.map((unit) => find(over, [phase, unit])).find((value) => value !== null && !isNull(value))
      if (given === undefined || given === null) continue
      for (const unit of units.filter((name) => find(over, [phase, name]) === null))
        if (find(tree, [phase, unit]) !== null) tree = withValue(tree, [phase, unit], scalar(null, given.origin))
    }
  }
  return tree
}

/** A phase's backbone adds to the general one, unless it names a network of its own. */
function inheritBackbone(tree: MapNode, phase: PhaseName): MapNode {
  const own = find(tree, [phase, 'backbone'])
  const general = find(tree, ['backbone'])
  if (own?.kind !== 'map' || general?.kind !== 'map') return tree
  if (['name', 'vitModel', 'cnnModel'].some((key) => own.entries.has(key))) return tree
  return withValue(tree, [phase, 'backbone'], { ...merge(general, own), origin: own.origin })
}

/** `name` and the halves of a hybrid both choose the network; the schema, which has a default for `name`, cannot tell. */
function checkNetworkNames(tree: MapNode): void {
  const sections = [
    ['backbone'],
    ...trainingPhaseNames.map((phase) => [phase, 'backbone']),
    ['distill', 'teacherBackbone'],
  ]
  for (const section of sections) {
    const name = find(tree, [...section, 'name'])
    if (name?.kind !== 'scalar' || name.value === 'hybrid') continue
    for (const key of ['vitModel', 'cnnModel']) {
      const half = find(tree, [...section, key])
      if (half === null || isNull(half) || (half.kind === 'scalar' && half.value === name.value)) continue
      throw new ConfigError(
        `${originOf(tree, [...section, key])}: ${dotted([...section, key])} chooses a network, and so does ` +
          `${dotted([...section, 'name'])}: ${String(name.value)} (${originOf(tree, [...section, 'name'])}). Keep one; ` +
          'name: hybrid takes both halves.',
      )
    }
  }
}

function selectPhases(
  request: ConfigRequest,
  tree: MapNode,
  usesFlatKeys: boolean,
): { phases: PhaseName[]; skipped: { phase: PhaseName; reason: string }[] } {
  const plainFlags = [request.dataset, request.numEpochs, request.batchSize, request.lr, request.weightDecay]
  const plainRun = request.config === undefined && plainFlags.some((flag) => flag !== undefined)
  const listed = find(tree, ['phases'])
  let wanted: readonly PhaseName[]
  if (request.phases !== undefined) wanted = checkedPhases(request.phases, '--phases')
  else if (plainRun) wanted = ['train', 'evaluate']
  else if (listed !== null && !isNull(listed)) wanted = checkedPhases(toPlain(listed), originOf(tree, ['phases']))
  else wanted = defaultPhases(tree, usesFlatKeys)

  const phases: PhaseName[] = []
  const skipped: { phase: PhaseName; reason: string }[] = []
  for (const phase of phaseNames.filter((name) => wanted.includes(name))) {
    if (isFalse(find(tree, [phase, 'enabled'])) && !(plainRun && request.phases === undefined)) {
      skipped.push({ phase, reason: `enabled: false (${originOf(tree, [phase, 'enabled'])})` })
    } else phases.push(phase)
  }
  if (phases.length === 0) {
    throw new ConfigError(
      `nothing to run: ${skipped.map(({ phase, reason }) => `${phase} has ${reason}`).join('; ')}. Enable a phase or name another with --phases.`,
    )
  }
  return { phases, skipped }
}

function defaultPhases(tree: MapNode, usesFlatKeys: boolean): PhaseName[] {
  const curriculum: PhaseName[] = ['supcon', 'arcface', 'distill', 'evaluate', 'export']
  const hasCurriculum = ['supcon', 'arcface', 'distill'].some((phase) => tree.entries.has(phase))
  if (!hasCurriculum && usesFlatKeys) return ['train', 'evaluate']
  if (!hasCurriculum && tree.entries.has('train')) return ['train', 'evaluate', 'export']
  return isTrue(find(tree, ['train', 'enabled'])) ? ['train', ...curriculum] : curriculum
}

function checkedPhases(value: unknown, origin: string): PhaseName[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw new ConfigError(`${origin}: expected a list of phases out of ${phaseNames.join(', ')}, got ${show(value)}.`)
  }
  return value.map((name: unknown) => {
    const phase = phaseNames.find((known) => known === name)
    if (phase === undefined) {
      throw new ConfigError(
        `${origin}: expected phases out of ${phaseNames.join(', ')}, got ${JSON.stringify(name)}.${didYouMean(String(name), phaseNames)}`,
      )
    }
    return phase
  })
}

function isNull(node: Node): boolean {
  return node.kind === 'scalar' && node.value === null
}

function isFalse(node: Node | null): boolean {
  return node?.kind === 'scalar' && node.value === false
}

function isTrue(node: Node | null): boolean {
  return node?.kind === 'scalar' && node.value === true
}
