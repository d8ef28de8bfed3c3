/**
 * snapshots/<run>/<phase>/fallback: a line of text that names the other folder of a phase's snapshots. It is written while the disk still
 * takes it, so that everything that looks for snapshots of the phase finds both.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

export const noteName = 'fallback'

/** The other folder of a phase's snapshots, or null. */
export async function fallbackOf(folder: string): Promise<string | null> {
  const text = await readFile(join(folder, noteName), 'utf8').catch(() => null)
  return text === null ? null : text.trim()
}
