/** Saves that are replayed with a power cut at each of their moments, and what is read afterwards. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { readSnapshot, SnapshotStore } from '../../src/snapshot/index.ts'
import { SnapshotError } from '../../src/util/errors.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { losses, pending, readTree, recordingOf, writeState, type Recording } from './power-cut.ts'
import { changingCalls, Folders, SnapshotServer } from './system-calls.ts'

export interface CutFigures {
  /** disks that were looked at */
  states: number
  /** of them, with the new snapshot */
  new: number
  readonly problems: string[]
}

interface Case {
  readonly name: string
  readonly recording: Recording
  /** the phase's folder below the recorded one */
  readonly phase: string
  /** numbers of the snapshot before and of the one that is saved; 0: none */
  readonly before: number
  readonly saved: number
}

/** Two saves: the first one of a run, whose folders are made for it, and a third one, for which the first snapshot goes. */
async function recorded(root: string): Promise<Case[]> {
  const server = await SnapshotServer.start(join(root, 'scratch'), 64)
  const folders = await Folders.make(root, server)
  const record = async (folder: string, ...lines: string[]): Promise<Recording> => {
    const before = readTree(folder)
    const flags = ['-xx', '-s', '65536', '-e', `trace=${changingCalls.join()}`]
    return recordingOf(before, folder, await server.traced('all', flags, () => server.do(...lines)))
  }
  const empty = join(root, 'empty')
  mkdirSync(empty)
  const first = await record(empty, `store ${join(empty, 'run', 'phase')}`, 'save 1')
  const two = folders.fresh()
  const third = await record(two, `store ${two}`, 'save 3')
  await server.stop()
  return [
    { name: 'first', recording: first, phase: join('run', 'phase'), before: 0, saved: 1 },
    { name: 'third', recording: third, phase: '.', before: 2, saved: 3 },
  ]
}

/** @param states how many disks at most, over all moments */
export async function cutPower(root: string, states: number, random: () => number): Promise<CutFigures> {
  const figures: CutFigures = { states: 0, new: 0, problems: [] }
  const cases = await recorded(root)
  const moments = cases.reduce((sum, { recording }) => sum + recording.steps.length + 1, 0)
  // Many moments have few combinations: the others share what those leave.
  const each = Math.max(16, Math.ceil((2 * states) / moments))
  for (const { name, recording, phase, before, saved } of cases) {
    const done = recording.steps.length
    // Acknowledged once its folder is fsynced with `best`; what comes after that removes old ones.
    const acknowledged = recording.steps.findLastIndex((step) => 'sync' in step) + 1
    for (let moment = 0; moment <= done; moment++)
      for (const lost of losses(pending(recording, moment), each, random)) {
        if (figures.states >= states) return figures
        figures.states++
        const path = join(root, 'state')
        writeState(recording, moment, lost, path)
        const least = moment >= acknowledged ? saved : before
        const order = await newestAfter(join(path, phase), before > 0 || least === saved).catch((error: unknown) => {
          if (!(error instanceof SnapshotError)) throw error
          return error.message
        })
        if (order === saved) figures.new++
        if (typeof order === 'string' || order < least)
          figures.problems.push(`${name}, ${moment} of ${done}, without ${lost.size} changes: ${order}, not ${least}`)
      }
  }
  return figures
}

/** @param named whether `last` and `best` must name whole ones */
async function newestAfter(folder: string, named: boolean): Promise<number> {
  if (named) for (const pointer of ['last', 'best']) await readSnapshot(join(folder, pointer))
  const store = await SnapshotStore.open(folder, { keep: 2, logger: silentLogger })
  return (await store.newestReadable())?.order ?? 0
}
