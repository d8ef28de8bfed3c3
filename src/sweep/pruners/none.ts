/** Lets every trial run to its end. */
import type { Pruner } from './pruner.ts'

export class NoPruner implements Pruner {
  readonly name = 'none'

  shouldPrune(): boolean {
    return false
  }
}
