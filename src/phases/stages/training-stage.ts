/** Runs training phases one after the other; each starts from its predecessor's best snapshot. */
import { arcfacePhase } from '../arcface.ts'
import { trainingPhaseNames, type PhaseName } from '../context.ts'
import { distillPhase } from '../distill.ts'
import { checkOptionNames } from '../../util/option-names.ts'
import type { Stage, StageContext } from '../orchestrator.ts'
import type { PipelineConfig } from '../pipeline-config.ts'
import { supconPhase } from '../supcon.ts'
import { trainPhase } from '../train.ts'
import { runPhase } from './phase-context.ts'

export class TrainingStage implements Stage {
  readonly name: string
  readonly #phases: readonly PhaseName[] | null

  /** @param options.phases default: every enabled training phase, in the pipeline's order */
  constructor(options: { readonly phases?: readonly PhaseName[]; readonly name?: string } = {}) {
    checkOptionNames('TrainingStage', options, { phases: true, name: true })
    this.name = options.name ?? 'training'
    this.#phases = options.phases ?? null
  }

  phases(config: PipelineConfig): readonly PhaseName[] {
    return trainingPhaseNames.filter((name) => this.#phases?.includes(name) ?? config[name as 'train'].enabled)
  }

  async run(context: StageContext): Promise<void> {
    const { config, signal, results } = context
    for (const name of this.phases(config)) {
      if (signal.aborted || results.some(({ outcome }) => outcome === 'interrupted')) return
      if (name === 'train') await runPhase(trainPhase, config.train, context, this.name)
      if (name === 'supcon') await runPhase(supconPhase, config.supcon, context, this.name)
      if (name === 'arcface') await runPhase(arcfacePhase, config.arcface, context, this.name)
      if (name === 'distill') await runPhase(distillPhase, config.distill, context, this.name)
    }
  }
}
