/** How much each class counts in a loss: as given, or so that each class has the same share of the training images. */
import { z } from 'zod'
import { ConfigError } from '../util/errors.ts'

/** null: all alike; "balanced": N / (classes · images of the class), as scikit-learn's */
export type ClassWeights = 'balanced' | readonly number[] | null

export const classWeightsSchema: z.ZodType<ClassWeights> = z
  .union([z.literal('balanced'), z.array(z.number().min(0)).min(1)])
  .nullable()

/**
 * @param labels  of the training images, in [0, classes)
 * @param classes C
 * @param option  where the weights were given, for the message
 * @returns [C]; a class without images has weight 0 when balanced; null: all alike
 * @throws {ConfigError} when the number of weights is not C, or all are 0
 */
export function classWeights(
  weights: ClassWeights,
  labels: ArrayLike<number>,
  classes: number,
  option: readonly string[],
): number[] | null {
  if (weights === null) return null
  if (weights === 'balanced') {
    const counts = new Array<number>(classes).fill(0)
    for (let i = 0; i < labels.length; i++) counts[labels[i] ?? 0] = (counts[labels[i] ?? 0] ?? 0) + 1
    const present = counts.filter((count) => count > 0).length
    return counts.map((count) => (count === 0 ? 0 : labels.length / (present * count)))
  }
  const name = `${option[0] ?? ''}.class_weights`
  if (weights.length !== classes)
    throw new ConfigError(
      `${name}: expected a weight for each of the ${classes} classes, got ${weights.length}. ` +
        'They stand in the order of the classes; "balanced" computes them from the training images.',
      { option },
    )
  if (weights.every((weight) => weight === 0))
    throw new ConfigError(`${name}: expected a weight above 0 for at least one class, got only zeros.`, { option })
  return [...weights]
}
