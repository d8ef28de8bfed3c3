/** The study that a sweep begins or goes on with. Nothing is made before all that can be known to be wrong is known. */
import { snakeCase, type SweepFile } from '../../config/index.ts'
import { checkStudyName, openStorage, pruners, samplers, Study, withoutPassword, type Json } from '../../sweep/index.ts'
import { ConfigError } from '../../util/errors.ts'
import { didYouMean } from '../../util/suggest.ts'

/** What the command line says of the search; undefined: not said. */
export interface Asked {
  readonly sampler: string | undefined
  readonly pruner: string | undefined
  readonly seed: number | undefined
}

export interface StudyRequest {
  readonly name: string
  readonly file: SweepFile
  /** a journal's path or a PostgreSQL URL */
  readonly target: string
  readonly isResumed: boolean
  readonly asked: Asked
  readonly setup: Readonly<Record<string, Json>>
  readonly note: (text: string) => void
}

/** @throws {ConfigError} for a name, a sampler or a pruner that cannot serve, wherever the study may be kept */
export function checkSearch(name: string, asked: Asked, { objectives, space }: SweepFile): void {
  checkStudyName(name)
  const directions = objectives.map(({ direction }) => direction)
  const { sampler } = chosen(asked, undefined, directions.length)
  if (asked.sampler !== undefined) sampler.check?.(space, directions)
}

/** @throws {ConfigError} when there is a study already, or none to go on with, or it is another one */
export async function openStudy({ name, file, target, isResumed, asked, setup, note }: StudyRequest): Promise<Study> {
  const where = withoutPassword(target)
  if (target === 'memory')
    throw new ConfigError('--storage memory: a sweep is kept. Name a file or a postgresql:// URL.')
  const storage = openStorage(target, {
    onTornTail: (bytes) =>
      note(
        `${where}: its last line (${bytes} bytes) was not finished when its writer died, and was cut off. Nothing else is missing.`,
      ),
  })
  try {
    const stored = await storage.find(name)
    if (isResumed && stored === null)
      throw new ConfigError(
        `sweep: --resume: expected a study "${name}" in ${where}, found none. Run without --resume to start one.`,
      )
    // Several machines start the same study of a database; a journal that is there already may be a mistake.
    if (!isResumed && stored !== null && storage.kind === 'journal')
      throw new ConfigError(`sweep: there is a study in ${where} already. Go on with --resume, or give another --name.`)
    const begun = stored?.search
    for (const flag of ['sampler', 'pruner'] as const)
      if (begun !== undefined && asked[flag] !== undefined && asked[flag] !== begun[flag])
        note(`the study was begun with the ${flag} ${begun[flag]} and goes on with ${asked[flag]}`)
    return await Study.open({
      name,
      space: file.space,
      storage,
      ...chosen(asked, begun, file.objectives.length),
      setup,
      directions: file.objectives.map(({ direction }) => direction),
      objectives: file.objectives.map(({ metric }) => snakeCase(metric)),
      seed: asked.seed ?? stored?.seed ?? 0,
    })
  } catch (error) {
    await storage.close()
    throw error
  }
}

/** By the names that were asked for, else those that the study was begun with, else the standard ones. */
function chosen(
  asked: Asked,
  begun: Study['definition']['search'],
  objectives: number,
): Pick<Study, 'sampler' | 'pruner'> {
  const pick = <T>(flag: 'sampler' | 'pruner', registry: Readonly<Record<string, () => T>>, standard: string): T => {
    const name = asked[flag] ?? begun?.[flag] ?? standard
    const create = Object.hasOwn(registry, name) ? registry[name] : undefined
    if (create === undefined)
      throw new ConfigError(
        `--${flag}: expected one of ${Object.keys(registry).join(', ')}, got "${name}".${didYouMean(name, Object.keys(registry))}`,
      )
    return create()
  }
  return {
    sampler: pick('sampler', samplers, 'tpe'),
    pruner: pick('pruner', pruners, objectives > 1 ? 'none' : 'median'),
  }
}
