/** Whether a training phase is skipped, goes on or begins anew when its run goes on, by what it was made of. */
import { existsSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { writeError } from '../util/files.ts'
import type { PhaseContext, PhaseName } from './context.ts'
import { dataHash, isSameData } from './lineage-data.ts'
import { changedParents, changesOf, lineageRecord, parentsOf, readLineage } from './lineage-record.ts'
import type { LineageRecord } from './lineage-record.ts'
import type { TrainingOptions } from './options/training.ts'

/** What the phase would be made of now; null where the caller of the phase tells no settings. */
export async function currentLineage(
  name: PhaseName,
  options: TrainingOptions,
  context: PhaseContext,
): Promise<LineageRecord | null> {
  if (context.settings === undefined) return null
  const teacher = (options as { teacherBackbonePath?: string | null }).teacherBackbonePath
  const parents = await parentsOf(name, [options.initFrom, teacher], context)
  return lineageRecord(name, { settings: context.settings(name), data: await dataHash(context.data), parents })
}

/**
 * Sets the snapshots of a phase aside when they are none of what it would be now: finished with other settings or data, or begun on other
 * weights. An unfinished phase goes on with changed settings.
 *
 * @returns whether the phase begins anew
 */
export async function setAsideStale(
  folder: string,
  now: LineageRecord | null,
  isFinished: boolean,
  { logger }: Pick<PhaseContext, 'logger'>,
): Promise<boolean> {
  const before = await readLineage(folder)
  if (before === null || now === null) return false
  const parents = changedParents(before, now.parents)
  const changed = [
    ...changesOf(before, now.settings),
    ...(isSameData(before.data, now.data) ? [] : ['its data changed']),
  ]
  const reasons = isFinished ? [...changed, ...parents] : parents
  if (reasons.length === 0) {
    if (changed.length > 0) logger.warn(`${now.phase}: goes on although it was begun otherwise: ${changed.join('; ')}`)
    return false
  }
  let number = 1
  while (existsSync(`${folder}-before-${number}`)) number++
  const aside = `${folder}-before-${number}`
  await rename(folder, aside).catch((error: unknown) => {
    throw writeError(error, aside)
  })
  logger.warn(`${now.phase}: runs again, because ${reasons.join('; ')}. What it gave before lies in ${join(aside)}`)
  return true
}
