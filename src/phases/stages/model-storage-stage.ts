/** Stores the trained classifier for use elsewhere: ONNX and TorchScript in snapshots/<run>/export. */
import type { PhaseName } from '../context.ts'
import { exportPhase } from '../export.ts'
import type { Stage, StageContext } from '../orchestrator.ts'
import { runPhase } from './phase-context.ts'

export class ModelStorageStage implements Stage {
  readonly name: string = 'model-storage'

  phases(): readonly PhaseName[] {
    return ['export']
  }

  run(context: StageContext): Promise<void> {
    return runPhase(exportPhase, context.config.export, context, this.name)
  }
}
