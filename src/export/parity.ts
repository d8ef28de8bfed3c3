/** The proof of an export: the exported model and the native one on the same real images. */

import type { InferenceSession } from 'onnxruntime-node'
import { torch } from '../binding/index.ts'
import type { NativeModule } from '../binding/index.ts'
import { NonFiniteError, SnapshotError } from '../util/errors.ts'
import type { OnnxRuntime } from '../util/onnxruntime.ts'

export interface Parity {
  /** Largest |difference| of a logit over all images. */
  readonly maxAbsoluteDifference: number
  /** Fraction of images on which both models have the same top class. */
  readonly top1Agreement: number
  readonly images: number
}

/** What a model says about some images: rows of C logits. */
export interface Answers {
  readonly logits: Float32Array
  readonly classes: number
}

const BATCH = 32

/** One image alone, then the rest in batches: a batch that was frozen by mistake cannot pass both. */
function batches(images: readonly Uint8Array[]): Uint8Array[][] {
  const parts: Uint8Array[][] = images.length > 0 ? [images.slice(0, 1)] : []
  for (let start = 1; start < images.length; start += BATCH) parts.push(images.slice(start, start + BATCH))
  return parts
}

async function collect(
  images: readonly Uint8Array[],
  run: (pixels: Uint8Array, count: number) => Promise<Float32Array>,
): Promise<Answers> {
  const parts: Float32Array[] = []
  for (const batch of batches(images)) parts.push(await run(Buffer.concat(batch), batch.length))
  const logits = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    logits.set(part, at)
    at += part.length
  }
  return { logits, classes: logits.length / images.length }
}

/** Where a network's weights are. */
export function deviceOf(network: NativeModule): string {
  return torch.scope(() => network.stateDict().values().next().value?.device ?? 'cpu')
}

/** The native classifier's logits; images are S × S × 3 bytes. */
export function nativeAnswers(classifier: NativeModule, images: readonly Uint8Array[], size: number): Promise<Answers> {
  const device = deviceOf(classifier)
  return collect(images, (pixels, count) =>
    torch.noGrad(() =>
      torch.scope(async () => {
        const batch = torch.tensor(pixels, { shape: [count, size, size, 3], dtype: 'uint8', device })
        const { logits } = await classifier.classify(batch)
        return logits.data() as Float32Array
      }),
    ),
  )
}

/** The exported model's logits on the same images. */
export function onnxAnswers(
  runtime: OnnxRuntime,
  session: InferenceSession,
  images: readonly Uint8Array[],
  size: number,
): Promise<Answers> {
  return collect(images, async (pixels, count) => {
    const image = new runtime.Tensor('uint8', pixels, [count, size, size, 3])
    const results = await session.run({ image }, ['logits'])
    return results['logits']?.data as Float32Array
  })
}

/**
 * Compares both models' logits.
 *
 * @param tolerance largest |difference| allowed, relative to the largest |logit| (or to 1, when all are smaller)
 * @throws {NonFiniteError} when the native model's logits are not finite: there is nothing to agree with
 * @throws {SnapshotError} when a logit differs by more, or the top class does where it is not a tie within the tolerance
 */
export function compareAnswers(native: Answers, exported: Answers, tolerance: number, label: string): Parity {
  if (native.logits.length !== exported.logits.length || native.classes !== exported.classes) {
    throw new SnapshotError(
      `${label}: the exported model gives ${exported.classes} logits an image, the native one ${native.classes}. It was not kept.`,
    )
  }
  checkFinite(native, label)
  let largest = 1
  let difference = 0
  for (let i = 0; i < native.logits.length; i++) {
    const value = native.logits[i] as number
    largest = Math.max(largest, Math.abs(value))
    const distance = Math.abs(value - (exported.logits[i] as number))
    // NaN compares false with everything, and must not pass.
    if (!(distance <= difference)) difference = Number.isNaN(distance) ? Infinity : distance
  }
  const allowed = tolerance * largest
  const images = native.logits.length / native.classes
  let agreeing = 0
  let contradicting = 0
  for (let image = 0; image < images; image++) {
    const ours = native.logits.subarray(image * native.classes, (image + 1) * native.classes)
    const theirs = exported.logits.subarray(image * native.classes, (image + 1) * native.classes)
    const top = argmax(ours)
    const other = argmax(theirs)
    if (top === other) agreeing++
    else if ((ours[top] as number) - (ours[other] as number) > 2 * allowed) contradicting++
  }
  if (difference > allowed || contradicting > 0) {
    throw new SnapshotError(
      `${label}: the exported model disagrees with the native one on ${images} real images: the largest difference of a logit is ` +
        `${difference.toExponential(2)} (allowed ${allowed.toExponential(2)}), the top class agrees on ${agreeing} of ${images}. ` +
        'It was not kept. Report the model and its options as a bug of the lowering in src/export.',
      { reason: 'parity' },
    )
  }
  return { maxAbsoluteDifference: difference, top1Agreement: agreeing / images, images }
}

/** @throws {NonFiniteError} for NaN or infinity among the native logits: nothing can be proven by comparing with them */
export function checkFinite(native: Answers, label: string): void {
  const wrong = native.logits.find((value) => !Number.isFinite(value))
  if (wrong !== undefined) {
    throw new NonFiniteError(
      `${label}: the native model gives a logit of ${wrong} on a real image; export a snapshot with finite weights.`,
    )
  }
}

function argmax(values: Float32Array): number {
  let best = 0
  for (let i = 1; i < values.length; i++) if ((values[i] as number) > (values[best] as number)) best = i
  return best
}
