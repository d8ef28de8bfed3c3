/** `work` on every item, at most `limit` at a time; the results in order. The first failure stops what has not begun. */
export async function mapConcurrent<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T, index: number) => Promise<R>,
  signal?: AbortSignal,
): Promise<R[]> {
  const results = new Array<R>(items.length)
  let next = 0
  let failed = false
  const worker = async (): Promise<void> => {
    while (next < items.length && !failed) {
      const index = next++
      try {
        signal?.throwIfAborted()
        results[index] = await work(items[index] as T, index)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  const workers = Array.from({ length: Math.min(limit, items.length) }, worker)
  // Wait for all, so that nothing runs on after the caller was told of the failure.
  const settled = await Promise.allSettled(workers)
  for (const outcome of settled) if (outcome.status === 'rejected') throw outcome.reason
  return results
}
