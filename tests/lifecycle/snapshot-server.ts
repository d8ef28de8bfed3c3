/**
 * A child process of the tests of system calls. Each line of its input is done and answered with a line of JSON:
 *
 *   store <folder>     opens a phase's folder; a save is tried once
 *   lasting <folder>   the same, as a training does: a save that fails is tried again
 *   save <step>        saves a snapshot there, the best so far
 *
 * Its argument is the number of values in each of the snapshot's two parts.
 */
import { createInterface } from 'node:readline'
import { torch } from '../../src/binding/index.ts'
import { exitCodeOf } from '../../src/cli/exit-codes.ts'
import { LastingSnapshots, SnapshotStore, type Snapshots } from '../../src/snapshot/index.ts'
import { silentLogger } from '../../src/util/logger.ts'

export interface Answer {
  /** class and message; null: it is done */
  readonly error: string | null
  /** what the command would have ended with */
  readonly exitCode: number
}

const values = Number(process.argv[2] ?? 20_000)
let store: Snapshots | null = null

async function save(step: number): Promise<void> {
  const parts = new Map(
    ['backbone', 'head'].map((name) => [name, new Map([['w', torch.tensor(new Float32Array(values).fill(step))]])]),
  )
  try {
    await store?.save(`epoch-${step}`, { parts, state: { step }, order: step }, { best: true })
  } finally {
    for (const part of parts.values()) for (const tensor of part.values()) tensor.dispose()
  }
}

async function answer(line: string): Promise<Answer> {
  const [what, argument = ''] = line.split(' ')
  const options = { keep: 2, logger: silentLogger }
  try {
    if (what === 'save') await save(Number(argument))
    else if (what === 'store') store = await SnapshotStore.open(argument, options)
    else store = await LastingSnapshots.open(argument, { ...options, fallback: null, pauses: [1, 1] })
    return { error: null, exitCode: 0 }
  } catch (error) {
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    return { error: text, exitCode: exitCodeOf(error) }
  }
}

for await (const line of createInterface({ input: process.stdin }))
  process.stdout.write(`${JSON.stringify(await answer(line))}\n`)
