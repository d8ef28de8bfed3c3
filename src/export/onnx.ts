/** exportOnnx: trace, lower, write, prove. */

import { torch, traceModule } from '../binding/index.ts'
import type { NativeModule } from '../binding/index.ts'
import { ShapeError } from '../util/errors.ts'
import { writeFileAtomic } from '../util/files.ts'
import { loadOnnxRuntime, openSession } from '../util/onnxruntime.ts'
import { packageVersion } from '../util/package-root.ts'
import { asTracedGraph } from './graph.ts'
import { lowerToOnnx } from './lowering/index.ts'
import { withMergedAdapters } from './merged-adapters.ts'
import { exportMetadata } from './metadata.ts'
import type { ExportPreprocessing } from './metadata.ts'
import { OPSET } from './onnx-model.ts'
import type { OnnxModel } from './onnx-model.ts'
import { serializeModel } from './onnx-writer.ts'
import { compareAnswers, deviceOf, nativeAnswers, onnxAnswers } from './parity.ts'

export interface ExportOptions {
  readonly classifier: NativeModule
  /** S: the model takes images of S × S pixels. */
  readonly imageSize: number
  readonly classNames: readonly string[]
  readonly preprocessing: ExportPreprocessing
  readonly path: string
  /** Real images, S × S × 3 bytes each, on which the exported model must agree with the native one. */
  readonly probes: readonly Uint8Array[]
  /** Largest difference of a logit, relative to the largest logit (or 1); default 1e-3. */
  readonly tolerance?: number
  /** Further entries for the file's metadata. */
  readonly metadata?: Readonly<Record<string, string>>
}

export interface ExportReport {
  readonly path: string
  readonly bytes: number
  readonly maxAbsoluteDifference: number
  readonly top1Agreement: number
  readonly opset: number
  readonly nodes: number
}

/**
 * Writes the classifier as ONNX: `image` uint8 [batch, S, S, 3] RGB → `logits`, `probabilities` [batch, C] and `features`
 * [batch, D] float32. Normalisation is inside the graph; the metadata names the classes and the resize rules.
 *
 * The file appears only after ONNX Runtime has run it on the probes with the native model's results, so that an earlier file is
 * replaced by a proven one or stays.
 *
 * @throws {SnapshotError} when an operation has no lowering, the results disagree, or the file cannot be written
 * @throws {BindingError} when onnxruntime-node is not installed: nothing could be proven then
 * @throws {ShapeError} when a probe is not S × S × 3, or class names and logits differ in number
 */
export async function exportOnnx(options: ExportOptions): Promise<ExportReport> {
  const { classifier, imageSize, path, probes, tolerance = 1e-3 } = options
  checkProbes(probes, imageSize)
  const runtime = await loadOnnxRuntime()
  classifier.train(false)

  const native = await nativeAnswers(classifier, probes, imageSize)
  checkClasses(options.classNames, native.classes)
  // The file's weights are copied out before the adapters come apart again; that the merged network computes the same is checked below.
  const { nodes, bytes } = await withMergedAdapters(classifier, async () => {
    const model = await traceToOnnx(options)
    return { nodes: model.nodes.length, bytes: serializeModel(model) }
  })
  const session = await openSession(runtime, bytes, { label: path })
  try {
    const exported = await onnxAnswers(runtime, session, probes, imageSize)
    const parity = compareAnswers(native, exported, tolerance, path)
    await writeFileAtomic(path, bytes)
    return {
      path,
      bytes: bytes.length,
      maxAbsoluteDifference: parity.maxAbsoluteDifference,
      top1Agreement: parity.top1Agreement,
      opset: OPSET,
      nodes,
    }
  } finally {
    await session.release()
  }
}

/** Trace and lowering alone, without a file. */
export async function traceToOnnx(
  options: Pick<ExportOptions, 'classifier' | 'imageSize' | 'classNames' | 'preprocessing' | 'metadata'>,
): Promise<OnnxModel> {
  const { classifier, imageSize } = options
  return torch.noGrad(() =>
    torch.scope(async () => {
      const example = torch.zeros([2, imageSize, imageSize, 3], { dtype: 'uint8', device: deviceOf(classifier) })
      const { graph, parameters } = await traceModule(classifier, example)
      const names = { model: classifier.name, inputs: ['image'], outputs: ['logits', 'probabilities', 'features'] }
      const about = { producerVersion: packageVersion(), metadata: exportMetadata(options) }
      return lowerToOnnx(asTracedGraph(graph), parameters, names, about)
    }),
  )
}

export function checkProbes(probes: readonly Uint8Array[], imageSize: number): void {
  if (probes.length === 0)
    throw new ShapeError('export: expected at least one real image to compare the models on, but got none')
  const wanted = imageSize * imageSize * 3
  probes.forEach((probe, i) => {
    if (probe.length !== wanted) {
      throw new ShapeError(
        `export: expected probe ${i} to have ${imageSize} × ${imageSize} × 3 = ${wanted} bytes, but it has ${probe.length}`,
      )
    }
  })
}

export function checkClasses(classNames: readonly string[], classes: number): void {
  if (classNames.length !== classes) {
    throw new ShapeError(
      `export: expected a name for each of the model's ${classes} classes, but got ${classNames.length}`,
    )
  }
}
