/** A study that exists, by its name. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { openStorage, Study, withoutPassword } from '../../sweep/index.ts'
import { ConfigError } from '../../util/errors.ts'
import { didYouMean } from '../../util/suggest.ts'
import { sweepFolders } from './folders.ts'

function journalOf(root: string, name: string): string {
  return join(sweepFolders(root, name).logs, 'journal.jsonl')
}

/** @throws {ConfigError} when there is no such study, with the names of those that there are */
export async function loadStudy(root: string, name: string, target: string = journalOf(root, name)): Promise<Study> {
  const storage = openStorage(target)
  try {
    if ((await storage.find(name)) !== null) return await Study.load({ name, storage })
  } catch (error) {
    await storage.close()
    throw error
  }
  await storage.close()
  const known = storage.kind === 'journal' ? listStudies(root) : []
  const list =
    known.length === 0 ? ` There are none below ${join(root, 'sweep_logs')}.` : ` Studies: ${known.join(', ')}.`
  throw new ConfigError(
    `expected a study "${name}" in ${withoutPassword(target)}, found none.` +
      (storage.kind === 'journal' ? `${didYouMean(name, known)}${list}` : ''),
  )
}

/** Names of the studies with a journal below `root`. */
export function listStudies(root: string): string[] {
  const folder = join(root, 'sweep_logs')
  if (!existsSync(folder)) return []
  return readdirSync(folder).filter((name) => existsSync(journalOf(root, name)))
}
