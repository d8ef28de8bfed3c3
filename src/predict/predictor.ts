/** Classes and confidences for new images, from an exported model through ONNX Runtime. */

import { readFile } from 'node:fs/promises'
import type { InferenceSession } from 'onnxruntime-node'
import { BindingError, NonFiniteError, ShapeError, SnapshotError } from '../util/errors.ts'
import { loadOnnxRuntime, openSession } from '../util/onnxruntime.ts'
import type { OnnxRuntime } from '../util/onnxruntime.ts'
import { checkOptionNames, type OptionNames } from '../util/option-names.ts'
import { locateModel } from './locate.ts'
import { readManifest } from './manifest.ts'
import type { ModelManifest, PredictPreprocessing } from './manifest.ts'

export interface Prediction {
  /** Name of the most probable class. */
  readonly label: string
  readonly index: number
  /** Probability of that class, 0–1. */
  readonly confidence: number
  /** Of every class, in the order of classNames. */
  readonly probabilities: Float32Array
}

export interface PredictorOptions {
  /** Threads of ONNX Runtime; by default its own choice, the number of cores. */
  readonly threads?: number
  /** Images in one run of the model; default 32. */
  readonly batchSize?: number
}

const optionNames: OptionNames<PredictorOptions> = { threads: true, batchSize: true }

/**
 * @param modelPath an exported .onnx file, or a run's folder that holds one
 * @throws {SnapshotError} when there is no such file, or it is not an undamaged ONNX file of ours
 * @throws {BindingError} when onnxruntime-node is not installed
 */
export async function openPredictor(modelPath: string, options: PredictorOptions = {}): Promise<Predictor> {
  checkOptionNames('openPredictor', options, optionNames)
  const path = await locateModel(modelPath)
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new SnapshotError(`${path}: cannot be read: ${(cause as Error).message}`, { cause })
  })
  const manifest = readManifest(bytes, path)
  const runtime = await loadOnnxRuntime()
  const { threads, batchSize = 32 } = options
  const session = await openSession(runtime, bytes, { label: path, ...(threads === undefined ? {} : { threads }) })
  if (!session.inputNames.includes('image') || !session.outputNames.includes('probabilities')) {
    await session.release()
    throw new SnapshotError(
      `${path}: expected a model with the input "image" and the output "probabilities", but it has ` +
        `${session.inputNames.join(', ')} → ${session.outputNames.join(', ')}. Export the model again.`,
    )
  }
  return new Predictor(path, manifest, runtime, session, batchSize)
}

export class Predictor {
  readonly path: string
  readonly classNames: readonly string[]
  readonly imageSize: number
  readonly preprocessing: PredictPreprocessing
  readonly metadata: ReadonlyMap<string, string>
  readonly #runtime: OnnxRuntime
  readonly #batchSize: number
  #session: InferenceSession | null

  /** Use openPredictor. */
  constructor(
    path: string,
    manifest: ModelManifest,
    runtime: OnnxRuntime,
    session: InferenceSession,
    batchSize: number,
  ) {
    this.path = path
    this.classNames = manifest.classNames
    this.imageSize = manifest.preprocessing.imageSize
    this.preprocessing = manifest.preprocessing
    this.metadata = manifest.metadata
    this.#runtime = runtime
    this.#session = session
    this.#batchSize = batchSize
  }

  /**
   * @param images S × S × 3 bytes each, RGB, row by row: what `loadImage(source, { resizeTo, cropTo: imageSize, interpolation })` gives
   * @throws {ShapeError} when an image has another number of bytes
   * @throws {NonFiniteError} when the model gives NaN
   */
  async predict(images: readonly Uint8Array[]): Promise<Prediction[]> {
    const size = this.imageSize
    const wanted = size * size * 3
    images.forEach((image, i) => {
      if (image.length !== wanted) {
        throw new ShapeError(
          `predict: expected image ${i} to have ${size} × ${size} × 3 = ${wanted} bytes, but it has ${image.length}`,
        )
      }
    })
    const predictions: Prediction[] = []
    for (let start = 0; start < images.length; start += this.#batchSize) {
      predictions.push(...(await this.#run(images.slice(start, start + this.#batchSize))))
    }
    return predictions
  }

  async #run(images: readonly Uint8Array[]): Promise<Prediction[]> {
    if (this.#session === null) throw new BindingError(`predict: the predictor of ${this.path} has been disposed of`)
    const image = new this.#runtime.Tensor('uint8', Buffer.concat(images), [
      images.length,
      this.imageSize,
      this.imageSize,
      3,
    ])
    const results = await this.#session.run({ image }, ['probabilities'])
    const rows = results['probabilities']?.data as Float32Array
    const classes = this.classNames.length
    if (rows.length !== images.length * classes) {
      throw new SnapshotError(
        `${this.path}: the model gives ${rows.length / images.length} probabilities an image and names ${classes} classes. Export it again.`,
      )
    }
    return images.map((_, i) => this.#prediction(rows.slice(i * classes, (i + 1) * classes)))
  }

  #prediction(probabilities: Float32Array): Prediction {
    let index = 0
    for (let i = 0; i < probabilities.length; i++) {
      if (!Number.isFinite(probabilities[i])) {
        throw new NonFiniteError(
          `${this.path}: the model gives a probability of ${probabilities[i]}. Export finite weights.`,
        )
      }
      if ((probabilities[i] as number) > (probabilities[index] as number)) index = i
    }
    return {
      label: this.classNames[index] as string,
      index,
      confidence: probabilities[index] as number,
      probabilities,
    }
  }

  /** Frees the model; a second call does nothing. */
  async dispose(): Promise<void> {
    const session = this.#session
    this.#session = null
    await session?.release()
  }
}
