import type { NativeModule } from '../binding/index.ts'

/** Runs `act` while the network's adapters are merged into its weights: what is exported is the plain network. */
export async function withMergedAdapters<T>(network: NativeModule, act: () => Promise<T>): Promise<T> {
  const merged = await network.mergeAdapters()
  try {
    return await act()
  } finally {
    if (merged > 0) await network.unmergeAdapters()
  }
}
