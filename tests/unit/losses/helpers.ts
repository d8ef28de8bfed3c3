/** What the loss tests share: the golden values, their inputs, and gradients by finite differences. */
import { readFileSync } from 'node:fs'
import { torch, type Tensor } from '../../../src/binding/index.ts'

interface Golden {
  readonly labels: number[]
  readonly supcon: { temperature: number; loss: number; gradient: number[] }[]
  readonly crossEntropy: { labelSmoothing: number; loss: number; gradient: number[] }[]
  readonly arcface: { margin: number; scale: number; labelSmoothing: number; loss: number; gradient: number[] }[]
  readonly kd: { temperature: number; loss: number; gradient: number[] }[]
}

export const golden: Golden = JSON.parse(
  readFileSync(new URL('../../golden/losses.json', import.meta.url), 'utf8'),
) as Golden

/** The generator of tests/golden/losses.py: values in [−1, 1). */
export function noise(seed: number, count: number): number[] {
  let x = seed
  return Array.from({ length: count }, () => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0
    return x / 2 ** 31 - 1
  })
}

export function float64(values: readonly number[], shape: readonly number[], requiresGrad: boolean = false): Tensor {
  return torch.tensor(Float64Array.from(values), { shape, requiresGrad })
}

export function int64(values: readonly number[]): Tensor {
  return torch.tensor([...values], { dtype: 'int64' })
}

/** Rows scaled to unit length; flat, `width` values a row. */
export function unitRows(values: readonly number[], width: number): number[] {
  return values.map((value, i) => {
    const row = values.slice(Math.floor(i / width) * width, Math.floor(i / width) * width + width)
    return value / Math.hypot(...row)
  })
}

/** Loss and gradient at `values`. */
export function withGradient(
  loss: (input: Tensor) => Tensor,
  values: readonly number[],
  shape: readonly number[],
): { loss: number; gradient: number[] } {
  return torch.scope(() => {
    const input = float64(values, shape, true)
    const result = loss(input)
    result.backward()
    return { loss: result.item(), gradient: input.grad?.toArray() ?? [] }
  })
}

/** The largest difference between the gradient and central differences of step 1e-6. */
export function gradientError(
  loss: (input: Tensor) => Tensor,
  values: readonly number[],
  shape: readonly number[],
): number {
  const { gradient } = withGradient(loss, values, shape)
  const at = (moved: readonly number[]): number => torch.scope(() => loss(float64(moved, shape)).item())
  const h = 1e-6
  return Math.max(
    ...values.map((value, i) => {
      const numeric = (at(values.with(i, value + h)) - at(values.with(i, value - h))) / (2 * h)
      return Math.abs(numeric - (gradient[i] ?? NaN))
    }),
  )
}

export function largestDifference(a: readonly number[], b: readonly number[]): number {
  if (a.length !== b.length) return Infinity
  return Math.max(...a.map((value, i) => Math.abs(value - (b[i] ?? NaN))))
}
