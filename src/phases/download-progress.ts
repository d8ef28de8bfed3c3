/** Downloads on the phase's progress: a new line for each file. */
import type { DownloadProgress } from '../data/index.ts'
import type { ProgressReporter } from './context.ts'

/** Runs `work`, whose progress is shown, and takes it off the screen afterwards, whatever happens. */
export async function withDownloads<T>(
  reporter: ProgressReporter,
  work: (progress: (state: DownloadProgress) => void) => Promise<T>,
): Promise<T> {
  let shown: string | null = null
  try {
    return await work(({ received, total, label }) => {
      if (shown !== label) reporter.start(label, total)
      shown = label
      reporter.update(received)
    })
  } finally {
    if (shown !== null) reporter.stop()
  }
}
