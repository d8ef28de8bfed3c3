/** Draws loss, accuracy and time per epoch of the run, from its history, into logs/<run>. */
import { join } from 'node:path'
import { trainingCurves } from '../../report/index.ts'
import { readHistory } from '../../tracking/index.ts'
import { SnapshotError } from '../../util/errors.ts'
import { writeFileAtomic } from '../../util/files.ts'
import type { Stage, StageContext } from '../orchestrator.ts'

export class VisualizationStage implements Stage {
  readonly name: string = 'visualization'

  async run(context: StageContext): Promise<void> {
    const { logs } = context.run
    for (const [name, image] of await trainingCurves(await readHistory(logs))) {
      const path = join(logs, name)
      try {
        await writeFileAtomic(path, image)
        context.files.push(path)
      } catch (error) {
        // A run whose snapshots may go elsewhere is not to end for a picture of its history.
        if (context.config.run.snapshotFallback === null || !(error instanceof SnapshotError)) throw error
        context.logger.warn(error.message)
      }
    }
  }
}
