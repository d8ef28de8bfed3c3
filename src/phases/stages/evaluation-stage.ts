/** Measures the trained classifier on held-out images. */
import type { PhaseName } from '../context.ts'
import { evaluatePhase } from '../evaluate.ts'
import type { Stage, StageContext } from '../orchestrator.ts'
import { runPhase } from './phase-context.ts'

export class EvaluationStage implements Stage {
  readonly name: string = 'evaluation'

  phases(): readonly PhaseName[] {
    return ['evaluate']
  }

  run(context: StageContext): Promise<void> {
    return runPhase(evaluatePhase, context.config.evaluate, context, this.name)
  }
}
