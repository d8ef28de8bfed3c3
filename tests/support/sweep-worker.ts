/**
 * A worker process of the sweep fault test: `sweep-worker.ts <storage> <trials> <folder>`. Writes one line a trial whose end the
 * storage acknowledged into a file of its own in the folder, and `ready` to stdout.
 */
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { openStorage, PostgresStorage, Study } from '../../src/sweep/index.ts'
import { faultSpace } from './sweep-faults.ts'

const [target, trials, folder] = process.argv.slice(2) as [string, string, string]
const storage = target.startsWith('postgres') ? new PostgresStorage(target, { leaseSeconds: 2 }) : openStorage(target)
const study = await Study.open({ name: 'faults', space: faultSpace, storage, seed: 1 })
process.stdout.write('ready\n')
await study.optimize(
  async (trial) => {
    for (let step = 1; step <= 3; step++) {
      await new Promise((resolve) => setTimeout(resolve, 20 + Math.random() * 40))
      await trial.report(1 / step, step)
    }
    return (trial.params['x'] as number) ** 2
  },
  {
    trials: Number(trials),
    onTrial: (trial) => appendFileSync(join(folder, `done-${process.pid}`), `${trial.number} ${trial.attempt}\n`),
  },
)
await study.close()
