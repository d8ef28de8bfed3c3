/**
 * A clean version of each picture and augmented ones of the same crop, for a loss on how far their predictions lie apart (AugMix, Hendrycks
 * et al. 2019, §3. https://arxiv.org/abs/1912.02781). What stands before the first policy (autoaugment, randaugment, trivialaugment,
 * augmix) is drawn once for all versions; the clean one is then normalised, the others go through the rest with draws of their own.
 */
import { NativeAugmentPlan, torch } from '../binding/index.ts'
import type { Draw, PlanRequest, Tensor } from '../binding/index.ts'
import { ConfigError } from '../util/errors.ts'
import type { Operation } from './operation.ts'
import type { AugmentationOptions } from './options.ts'
import { AugmentPlan, trainingOperations } from './plan.ts'
import type { PlanOptions } from './plan.ts'

const policies: ReadonlySet<string> = new Set(['autoaugment', 'randaugment', 'trivialaugment', 'augmix'])

class ConsistencyPlan extends AugmentPlan {
  readonly #shared: NativeAugmentPlan
  readonly #clean: NativeAugmentPlan
  readonly #augmented: NativeAugmentPlan

  /** @param policy place of the first operation that the clean version goes without */
  constructor(operations: readonly Operation[], policy: number, options: PlanOptions) {
    super(operations, options)
    const { mean, std, seed = 0 } = options
    const part = (from: number, to: number): NativeAugmentPlan =>
      new NativeAugmentPlan({ operations: operations.slice(from, to), mean, std, seed, firstOperation: from })
    this.#shared = part(0, policy)
    this.#clean = part(operations.length, operations.length)
    this.#augmented = part(policy, operations.length)
  }

  /** View 0 is the clean version. */
  override async apply(images: Tensor, ids: Tensor, request: Omit<PlanRequest, 'stacked'>): Promise<Tensor> {
    const { views = 1, firstView = 0 } = request
    const cropped = await this.#shared.applyToPixels(images, ids, { ...request, views: 1, stacked: false })
    const made: Tensor[] = []
    try {
      made.push(await this.#clean.apply(cropped, ids, { ...request, views: 1, stacked: false }))
      if (views === 1) return made.pop() as Tensor
      const rest = { ...request, views: views - 1, firstView: firstView + 1, stacked: false }
      made.push(await this.#augmented.apply(cropped, ids, rest))
      return torch.keep(torch.noGrad(() => torch.ops.cat(made)))
    } finally {
      cropped.dispose()
      for (const tensor of made) tensor.dispose()
    }
  }

  override async draws(images: Tensor, ids: Tensor, request: Omit<PlanRequest, 'stacked'>): Promise<Draw[][]> {
    const { views = 1, firstView = 0 } = request
    const once = { ...request, views: 1, stacked: false }
    const shared = await this.#shared.draws(images, ids, once)
    if (views === 1) return shared
    const cropped = await this.#shared.applyToPixels(images, ids, once)
    const rest = { ...request, views: views - 1, firstView: firstView + 1, stacked: false }
    const drawn = await this.#augmented.draws(cropped, ids, rest)
    cropped.dispose()
    return [...shared, ...drawn.map((draws, row) => [...(shared[row % shared.length] ?? []), ...draws])]
  }
}

/**
 * A plan whose view 0 is the clean picture and whose further views are augmented versions of it.
 *
 * @throws {ConfigError} when no policy tells the two apart, or for a function of yours
 */
export function consistencyPlan(options: AugmentationOptions, plan: PlanOptions): AugmentPlan {
  const operations = trainingOperations(options, plan)
  const native = operations.filter((operation): operation is Operation => !('apply' in operation))
  const policy = native.findIndex(({ name }) => policies.has(name))
  if (native.length < operations.length)
    throw new ConfigError('augmentations: custom: a clean picture beside augmented ones needs native operations only.')
  if (policy < 0)
    throw new ConfigError(
      'augmentations: a clean picture beside augmented ones needs augmix, randaugment, trivialaugment or autoaugment. Add one.',
    )
  return new ConsistencyPlan(native, policy, plan)
}
