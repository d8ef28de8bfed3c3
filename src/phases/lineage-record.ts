/**
 * snapshots/<run>/<phase>/lineage.json: what a training phase was made of. Hashes of its settings, its data and its parents decide whether
 * a finished phase is skipped when the run goes on; the settings themselves say which key changed.
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { findSnapshot, newestNamed, readManifest } from '../snapshot/index.ts'
import { writeFileAtomic } from '../util/files.ts'
import { snakeCase } from '../util/snake-case.ts'
import { predecessors, type PhaseName, type RunPaths } from './context.ts'
import type { PipelineConfig } from './pipeline-config.ts'

/** "arcface.lr" → 0.001 */
export type Settings = Readonly<Record<string, unknown>>

export interface LineageRecord {
  readonly version: 1
  readonly phase: string
  readonly settings: Settings
  /** SHA-256 of the settings */
  readonly settingsHash: string
  /** what identifies the data, see lineage-data.ts */
  readonly data: string
  /** the phase or path that the weights or the teacher came from → SHA-256 of that snapshot's weights */
  readonly parents: Readonly<Record<string, string>>
}

export const lineageName = 'lineage.json'

const schema: z.ZodType<LineageRecord> = z.object({
  version: z.literal(1),
  phase: z.string(),
  settings: z.record(z.string(), z.unknown()),
  settingsHash: z.string(),
  data: z.string(),
  parents: z.record(z.string(), z.string()),
})

/** Keys that change nothing of what is learned. */
const freeOfPhase = new Set(['enabled', 'keep', 'snapshotEvery', 'snapshotMinutes', 'askEpoch', 'nonFinite'])
const freeOfData = new Set([
  ...['directory', 'workers', 'cache', 'cacheVerify', 'cacheGigabytes', 'cacheMegabytes', 'download'],
])

/** Everything of a configuration that a training phase's result depends on, by key as it is written. */
export function settingsOf(config: Readonly<PipelineConfig>, phase: PhaseName): Settings {
  const section = config[phase] as { readonly backbone?: unknown; readonly precision?: unknown }
  const settings: Record<string, unknown> = { seed: config.seed }
  flatten(settings, ['data'], without(config.data, freeOfData))
  if ((section.backbone ?? null) === null) flatten(settings, ['backbone'], config.backbone)
  if ((section.precision ?? null) === null) settings['precision'] = config.precision
  flatten(settings, [phase], without(section, freeOfPhase))
  return settings
}

function without(section: object, keys: ReadonlySet<string>): object {
  return Object.fromEntries(Object.entries(section).filter(([key]) => !keys.has(key)))
}

function flatten(into: Record<string, unknown>, path: readonly string[], value: unknown): void {
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length > 0) {
    for (const [key, inner] of Object.entries(value)) flatten(into, [...path, snakeCase(key)], inner)
  } else if (value !== undefined) into[path.join('.')] = value
}

export function lineageRecord(
  phase: PhaseName,
  made: { readonly settings: Settings; readonly data: string; readonly parents: Readonly<Record<string, string>> },
): LineageRecord {
  const { settings, data, parents } = made
  return { version: 1, phase, settings, settingsHash: hashOf(sorted(settings)), data, parents }
}

/** Null where there is none, or none that can be read. */
export async function readLineage(folder: string): Promise<LineageRecord | null> {
  const text = await readFile(join(folder, lineageName), 'utf8').catch(() => null)
  if (text === null) return null
  try {
    return schema.safeParse(JSON.parse(text)).data ?? null
  } catch {
    return null
  }
}

export function writeLineage(folder: string, record: LineageRecord): Promise<void> {
  return writeFileAtomic(join(folder, lineageName), `${JSON.stringify(record, null, 2)}\n`)
}

/** Why a phase that was made so would come out otherwise now: "arcface.lr 0.001 → 0.002". None: it would not. */
export function changesOf(before: LineageRecord, settings: Settings): string[] {
  if (before.settingsHash === hashOf(sorted(settings))) return []
  const keys = [...new Set([...Object.keys(before.settings), ...Object.keys(settings)])]
  return keys.flatMap((key) => {
    const [old, now] = [before.settings[key], settings[key]].map((value) => JSON.stringify(value) ?? 'unset')
    return old === now ? [] : [`${key} ${old} → ${now}`]
  })
}

/** @param parents as they are now; those that are not known any more are left aside */
export function changedParents(before: LineageRecord, parents: Readonly<Record<string, string>>): string[] {
  const names = [...new Set([...Object.keys(before.parents), ...Object.keys(parents)])]
  return names
    .filter((name) => parents[name] !== undefined && before.parents[name] !== parents[name])
    .map((name) => `the weights of ${name} changed`)
}

/** Snapshots that a phase takes weights from: its predecessor's best, or what its options name. */
export async function parentsOf(
  phase: PhaseName,
  named: readonly (string | null | undefined)[],
  runs: { readonly run: RunPaths; readonly parentRun: RunPaths | null },
): Promise<Record<string, string>> {
  const parents: Record<string, string> = {}
  const add = async (name: string, path: string): Promise<boolean> => {
    const snapshot = await findSnapshot(path).catch(() => null)
    if (snapshot !== null) parents[name] = await weightsOf(snapshot)
    return snapshot !== null
  }
  for (const path of named) if (path != null) await add(path, path)
  for (const run of [runs.run, runs.parentRun])
    for (const predecessor of predecessors[phase])
      if (run !== null && !(predecessor in parents)) await add(predecessor, join(run.snapshots, predecessor))
  return parents
}

/** Equal weights have equal hashes, whenever they were trained. */
async function weightsOf(snapshot: string): Promise<string> {
  const { files } = await readManifest(snapshot)
  const weights = Object.entries(files).filter(([file]) => /^(ema_)?(backbone|head)\.safetensors$/.test(file))
  return hashOf(weights.map(([file, { sha256 }]) => [file, sha256]).sort())
}

/** Whether a phase's last snapshot says that it ended; null: there is none. */
export async function isFinished(folders: readonly string[]): Promise<boolean | null> {
  const last = await newestNamed(folders, 'last')
  if (last === null) return null
  try {
    const state = JSON.parse(await readFile(join(last, 'state.json'), 'utf8')) as { finished?: unknown } | null
    return state?.finished === true
  } catch {
    return false
  }
}

function sorted(settings: Settings): unknown {
  return Object.entries(settings).sort(([a], [b]) => (a < b ? -1 : 1))
}

function hashOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex')
}
