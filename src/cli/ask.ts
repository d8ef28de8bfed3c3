/** Questions to whoever sits at the terminal. */
import { createInterface } from 'node:readline/promises'
import type { Progress } from './progress.ts'

/** Null where nobody can answer: a run without a terminal never waits. The answer is null when the signal is aborted meanwhile. */
export function askAtTerminal(
  progress: Pick<Progress, 'pause'>,
  signal: AbortSignal,
): ((question: string) => Promise<string | null>) | null {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return null
  return async (question) => {
    if (signal.aborted) return null
    progress.pause()
    const lines = createInterface({ input: process.stdin, output: process.stderr })
    // The interface reads Ctrl-C as a key and Ctrl-D as the end: the first must reach the run, the second is no answer.
    lines.on('SIGINT', () => process.kill(process.pid, 'SIGINT'))
    const closed = new Promise<null>((resolve) => lines.on('close', () => resolve(null)))
    try {
      return await Promise.race([lines.question(question, { signal }), closed])
    } catch (error) {
      if (signal.aborted) return null
      throw error
    } finally {
      lines.close()
    }
  }
}
