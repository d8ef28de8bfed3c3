/**
 * Views of a picture for test-time augmentation. View 0 is the picture as an evaluation prepares it; the others are functions of the seed,
 * the picture's identity and the number of the view alone, so that batch size and order change nothing.
 */
import { torch } from '../binding/index.ts'
import type { Draw, PlanRequest, Tensor } from '../binding/index.ts'
import type { AugmentationOptions } from './options.ts'
import { AugmentPlan, evaluationPlan, trainingPlan } from './plan.ts'
import type { PlanOptions } from './plan.ts'

export interface TestTimeOptions {
  /** What makes views 1, 2, …; null: the standard views. */
  readonly augmentations: AugmentationOptions | null
  /** Whether a mirrored picture keeps its class: the standard views mirror then. */
  readonly mirror: boolean
}

type Request = Omit<PlanRequest, 'stacked'>

/** Views from `from` up to the next part's. */
interface Part {
  readonly from: number
  readonly plan: AugmentPlan
}

class TestTimePlan extends AugmentPlan {
  readonly #parts: readonly Part[]

  constructor(further: readonly Part[], options: PlanOptions) {
    const plain = evaluationPlan(options)
    super(plain.operations, options)
    this.#parts = [{ from: 0, plan: plain }, ...further]
  }

  override async apply(images: Tensor, ids: Tensor, request: Request): Promise<Tensor> {
    const made: Tensor[] = []
    try {
      for (const { plan, own } of this.#shares(request)) made.push(await plan.apply(images, ids, own))
      if (made.length === 1) return made.pop() as Tensor
      return torch.keep(torch.noGrad(() => torch.ops.cat(made)))
    } finally {
      for (const tensor of made) tensor.dispose()
    }
  }

  override async draws(images: Tensor, ids: Tensor, request: Request): Promise<Draw[][]> {
    const drawn: Draw[][] = []
    for (const { plan, own } of this.#shares(request)) drawn.push(...(await plan.draws(images, ids, own)))
    return drawn
  }

  /** Which part makes which of the views that are asked for. */
  #shares(request: Request): { plan: AugmentPlan; own: Request }[] {
    const { views = 1, firstView = 0 } = request
    return this.#parts.flatMap(({ from, plan }, index) => {
      const first = Math.max(from, firstView)
      const end = Math.min(this.#parts[index + 1]?.from ?? Infinity, firstView + views)
      return first < end ? [{ plan, own: { ...request, firstView: first, views: end - first } }] : []
    })
  }
}

/**
 * View 0: central square and normalisation. Then `augmentations`; without them the mirrored picture, where it may be mirrored, and then
 * pictures moved by up to a sixteenth of their side (larger pictures: crops from anywhere), mirrored or not.
 *
 * @throws {ConfigError} for augmentations that cannot follow each other
 */
export function testTimePlan({ augmentations, mirror }: TestTimeOptions, options: PlanOptions): AugmentPlan {
  if (augmentations !== null)
    return new TestTimePlan([{ from: 1, plan: trainingPlan(augmentations, options) }], options)
  const { imageSize, inputHeight, inputWidth } = options
  const isLarger = inputHeight > imageSize && inputWidth > imageSize
  const padding = isLarger ? 0 : Math.max(1, Math.round(imageSize / 16))
  const randomCrop = { padding, fill: 'reflect' } as const
  if (!mirror) return new TestTimePlan([{ from: 1, plan: trainingPlan({ randomCrop }, options) }], options)
  return new TestTimePlan(
    [
      { from: 1, plan: trainingPlan({ horizontalFlip: { p: 1 } }, options) },
      { from: 2, plan: trainingPlan({ randomCrop, horizontalFlip: true }, options) },
    ],
    options,
  )
}
