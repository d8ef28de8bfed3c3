/** A child process of the snapshot tests: saves snapshots of a few megabytes until it is killed or fails. */
import { torch } from '../../src/binding/index.ts'
import { lockRun, readSnapshot, SnapshotStore } from '../../src/snapshot/index.ts'
import { silentLogger } from '../../src/util/logger.ts'

const [folder = '', mode = 'loop'] = process.argv.slice(2)

async function main(): Promise<void> {
  if (mode === 'lock') {
    const lock = lockRun(folder)
    process.stdout.write('locked\n')
    // What nobody holds may be collected, and is free then.
    setInterval(() => lock, 1000)
    return
  }
  const store = await SnapshotStore.open(folder, { keep: 2, logger: silentLogger })
  const last = await store.pointer('last')
  let step = last === null ? 0 : ((await readSnapshot(last)).state as { step: number }).step
  process.stdout.write(`from ${step}\n`)
  for (const until = mode === 'once' ? step + 1 : Infinity; step < until;) {
    step++
    const parts = new Map(
      ['backbone', 'head'].map((name) => [name, new Map([['w', torch.tensor(new Float32Array(500_000).fill(step))]])]),
    )
    await store.save(`epoch-${step}`, { parts, state: { step }, order: step }, { best: step % 3 === 0 })
    process.stdout.write(`saved ${step}\n`)
    for (const part of parts.values()) for (const tensor of part.values()) tensor.dispose()
  }
}

main().catch((error: unknown) => {
  process.stdout.write(`${(error as Error).name}: ${(error as Error).message}\n`)
  process.exitCode = 7
})
