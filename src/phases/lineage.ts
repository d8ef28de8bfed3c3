/** Where a phase's starting weights come from: an explicit path, or the best snapshot of its predecessor. */
import { stat } from 'node:fs/promises'
import { join, resolve, sep } from 'node:path'
import { hasAdapters, type BackboneOptions } from '../models/index.ts'
import { fallbackOf, findSnapshot, matchingSnapshots, readSnapshot, type Snapshot } from '../snapshot/index.ts'
import { ConfigError, SnapshotError } from '../util/errors.ts'
import { snakeCase } from '../util/snake-case.ts'
import { predecessors, trainingPhaseNames, type PhaseContext, type PhaseName, type RunPaths } from './context.ts'
import { isFinished } from './lineage-record.ts'
import type { DistillOptions } from './options/distill.ts'
import type { ExportPhaseOptions } from './options/export.ts'

/** Whether a path names bare weights (a file, or hf:<repository>) rather than a snapshot; a snapshot's pointer is a tiny file or a link. */
export async function namesWeights(path: string): Promise<boolean> {
  if (path.startsWith('hf:')) return true
  const named = /\.(safetensors|pth?|th|bin|ckpt|tar)$/i.test(path)
  const found = await stat(path).catch(() => null)
  return found === null ? named : found.isFile() && (named || found.size > 4096)
}

/**
 * Finds out before hours of training that nothing of it gives the classifier that evaluate and export need.
 *
 * @throws {ConfigError} when none of the phases trains one, the run has none, and none is named
 */
export async function expectClassifier(
  phases: readonly PhaseName[],
  named: Readonly<Record<'evaluate' | 'export', string | null>>,
  runs: Pick<PhaseContext, 'run' | 'parentRun'>,
): Promise<void> {
  // Where nothing is trained nothing is lost by looking later, and a published classifier may serve.
  if (!phases.some((phase) => trainingPhaseNames.includes(phase))) return
  for (const phase of ['evaluate', 'export'] as const) {
    if (!phases.includes(phase) || named[phase] !== null) continue
    if (predecessors[phase].some((predecessor) => phases.includes(predecessor))) continue
    for (const run of [runs.run, runs.parentRun])
      for (const predecessor of run === null ? [] : predecessors[phase])
        if ((await findSnapshot(join((run as RunPaths).snapshots, predecessor))) !== null) return
    throw new ConfigError(
      `${phase} needs a trained classifier, and none of ${phases.join(', ')} trains one. ` +
        `Add ${predecessors[phase].join(', ')} to the phases, or give ${phase}.model.`,
    )
  }
}

/**
 * Finds out before hours of training that weights which a later phase begins with or learns from are not there. What an earlier phase of the
 * same run will leave is waited for.
 *
 * @throws {ConfigError} naming the option and the path
 */
export async function expectWeights(
  phases: readonly PhaseName[],
  config: Readonly<Record<'train' | 'supcon' | 'arcface', { readonly initFrom: string | null }>> & {
    readonly distill: Pick<
      DistillOptions,
      'initFrom' | 'teacherBackbonePath' | 'teacherBackbone' | 'teacherHeadPath' | 'teacherSnapshots'
    >
  },
  run: Pick<RunPaths, 'snapshots'>,
  resume: boolean,
): Promise<void> {
  const training = trainingPhaseNames.filter((name) => phases.includes(name))
  for (const [index, phase] of training.entries()) {
    const folder = join(run.snapshots, phase)
    // Over and done: what it was made of may have been deleted since.
    if (resume && (await isFinished([folder, (await fallbackOf(folder)) ?? folder])) === true) continue
    const made = training.slice(0, index).map((name) => resolve(run.snapshots, name) + sep)
    const options = config[phase as 'distill']
    const named: [option: string, path: string | null | undefined][] = [
      ['initFrom', options.initFrom],
      ['teacherBackbonePath', options.teacherBackbonePath],
      ['teacherHeadPath', options.teacherHeadPath],
      ...(options.teacherSnapshots ?? []).map((path): [string, string] => ['teacherSnapshots', path]),
    ]
    for (const [option, path] of named) {
      if (path == null || made.some((earlier) => (resolve(path) + sep).startsWith(earlier))) continue
      const refuse = (why: string): ConfigError =>
        new ConfigError(`${phase}.${snakeCase(option)}: ${why}`, { option: [phase, option] })
      if (option !== 'teacherHeadPath' && (await namesWeights(path))) {
        if (option === 'teacherBackbonePath') continue // looked for where networks are prepared
        throw refuse(noSnapshot(path, option === 'initFrom' ? 'backbone.pretrained' : 'distill.teacher_backbone_path'))
      }
      const missing = await missingAt(path)
      if (missing !== null) throw refuse(`${missing}. Correct the path.`)
      if (option === 'teacherBackbonePath') expectNothingBeside(path, options)
    }
  }
}

/**
 * A snapshot folder as teacher brings its network and head: what says otherwise would not be heard.
 *
 * @throws {ConfigError} naming the option
 */
export function expectNothingBeside(
  folder: string,
  options: Pick<DistillOptions, 'teacherBackbone' | 'teacherHeadPath'>,
): void {
  for (const option of ['teacherHeadPath', 'teacherBackbone'] as const)
    if (options[option] !== null)
      throw new ConfigError(
        `distill.${snakeCase(option)}: expected none beside a snapshot folder, which brings its own ` +
          `${option === 'teacherHeadPath' ? 'head' : 'network'}. Leave it out, or name the file ` +
          `${join(folder, 'backbone.safetensors')} as distill.teacher_backbone_path.`,
        { option: ['distill', option] },
      )
}

function noSnapshot(path: string, key: string): string {
  return `expected a snapshot folder (snapshots/<run>/<phase>/best), but ${path} names bare weights. Give them as ${key}.`
}

/** What was expected at a path, or snapshots that fit it, and is not there; else null. */
async function missingAt(path: string): Promise<string | null> {
  if (!path.includes('*')) {
    const found = await stat(path).catch(() => null)
    return found === null ? `expected weights or a snapshot at ${path}, and there is nothing` : null
  }
  return matchingSnapshots([path]).then(
    () => null,
    () => `expected snapshots whose paths fit ${path}, and there are none`,
  )
}

/**
 * Finds out before hours of training that the network which export takes has no adapters to write.
 *
 * @throws {ConfigError} when export.formats lists adapters, and the last phase that trains here trains none
 */
export function expectAdapters(
  phases: readonly PhaseName[],
  config: {
    readonly backbone: BackboneOptions
    readonly export: Pick<ExportPhaseOptions, 'formats' | 'model'>
  } & Readonly<Record<'train' | 'arcface' | 'distill', { readonly backbone: BackboneOptions | null }>>,
): void {
  if (!phases.includes('export') || !config.export.formats.includes('adapters') || config.export.model !== null) return
  const last = (['distill', 'arcface', 'train'] as const).find((phase) => phases.includes(phase))
  if (last === undefined || hasAdapters(config[last].backbone ?? config.backbone)) return
  throw new ConfigError(
    `export.formats: expected a network with adapters to export them, but ${last} trains without. ` +
      'Remove adapters from the list, or set lora_rank or use_ia3.',
    { option: ['export', 'formats'] },
  )
}

/**
 * The snapshot at `explicit`, or the best of the nearest predecessor in this run or its parent; null when there is none.
 *
 * @throws {SnapshotError} when `explicit` is not a snapshot, or the one found is damaged
 */
export async function startingSnapshot(
  phase: PhaseName,
  explicit: { readonly path: string | null; readonly option: string },
  context: Pick<PhaseContext, 'run' | 'parentRun'>,
): Promise<Snapshot | null> {
  if (explicit.path !== null) {
    if (await namesWeights(explicit.path))
      throw new SnapshotError(`${explicit.option}: ${noSnapshot(explicit.path, 'backbone.pretrained')}`)
    return readSnapshot(explicit.path)
  }
  for (const run of [context.run, context.parentRun]) {
    if (run === null) continue
    for (const predecessor of predecessors[phase]) {
      const found = await findSnapshot(join(run.snapshots, predecessor))
      if (found !== null) return readSnapshot(found)
    }
  }
  return null
}
