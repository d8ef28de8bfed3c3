/** Batch-norm statistics of averaged weights (Izmailov et al. 2018, section 3.2): the mean over training batches that go through them. */
import { torch } from '../binding/index.ts'
import type { Loader } from '../data/index.ts'
import { forwardNetworks } from './forward.ts'
import type { Networks } from './task.ts'

export interface StatisticsOptions {
  readonly loader: Loader
  /** whose order and augmentation the batches have */
  readonly epoch: number
  /** at most so many of them */
  readonly batches: number
  readonly precision: 'float32' | 'bfloat16' | 'float16'
}

/** @param live the networks in training: batch norms that are frozen there keep their statistics */
export async function estimateStatistics(
  averaged: Networks,
  live: Networks,
  { loader, epoch, batches, precision }: StatisticsOptions,
): Promise<void> {
  const pairs = [
    [averaged.backbone, live.backbone],
    [averaged.head, live.head],
  ] as const
  let norms = 0
  for (const [own, twin] of pairs) norms += await own.beginStatistics(twin)
  try {
    if (norms === 0) return
    let seen = 0
    for await (const batch of loader.epoch(epoch)) {
      await torch.scope(() => torch.noGrad(() => forwardNetworks(averaged, batch.images, precision)))
      batch.dispose()
      if (++seen >= batches) return
    }
  } finally {
    for (const [own, twin] of pairs) await own.endStatistics(twin)
  }
}
