/** Lets training phases augment their pictures as their options say; without this stage they see them as an evaluation does. */
import { consistencyPlan, trainingPlan } from '../../augment/index.ts'
import type { Stage, StageContext } from '../orchestrator.ts'

export class AugmentationStage implements Stage {
  readonly name: string = 'augmentation'

  async run(context: StageContext): Promise<void> {
    context.trainingPlan = ({ augmentations, consistency = false, ...plan }) =>
      (consistency ? consistencyPlan : trainingPlan)(augmentations, plan)
  }
}
