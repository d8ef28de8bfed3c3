/** Counting tensors in tests: what earlier tests left to the garbage collector is collected first, so that it cannot go in between. */
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { torch } from '../../src/binding/index.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** torch.liveTensors(), with no garbage among them. */
export async function liveTensors(): Promise<number> {
  for (let round = 0; round < 3; round++) {
    collect()
    await setImmediate() // finalizers run between two tasks
  }
  return torch.liveTensors()
}
