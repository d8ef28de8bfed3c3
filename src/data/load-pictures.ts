/**
 * Batches of pictures: JPEG by libjpeg-turbo on native threads where the addon has it, everything else (and every JPEG that it does
 * not take without a complaint) by sharp. Both give the same pixels.
 */
import { availableParallelism } from 'node:os'
import { decodeBatch, jpegLibrary } from '../binding/index.ts'
import type { EncodedPicture, Interpolation } from '../binding/index.ts'
import { DatasetError } from '../util/errors.ts'
import { mapConcurrent } from './concurrency.ts'
import { loadPicture } from './decode.ts'
import type { PictureSource } from './source.ts'

/** `auto`: libjpeg-turbo for JPEG where it is built in. */
export type Decoder = 'auto' | 'sharp'

export interface PictureGeometry {
  /** The shorter side after resampling. */
  readonly resizeTo: number
  /** Side of the central square that is kept, ≤ resizeTo. */
  readonly cropTo: number
  /** Default bilinear. */
  readonly interpolation?: Interpolation | undefined
  /** Larger pictures are refused before anything is decoded. */
  readonly maxPixels: number
}

export interface LoadSettings extends PictureGeometry {
  readonly decoder: Decoder
  /** Pictures decoded at a time. Default: the number of processors. */
  readonly workers?: number | undefined
}

export interface LoadedPictures {
  /** [N, cropTo, cropTo, 3]; rows that failed are 0. */
  readonly pixels: Uint8Array
  /** [N, 2] height and width before resampling; 0 for those that failed. */
  readonly sizes: Int32Array
  /** [N] why a picture cannot be read; null for the others. */
  readonly failures: readonly (DatasetError | null)[]
}

/** One batch is decoded at a time: `workers` bounds what the process decodes for a data set, however many batches wait. */
export class PictureLoader {
  readonly settings: LoadSettings
  readonly #source: PictureSource
  /** Threads, or pictures at a time where sharp decodes. */
  readonly workers: number
  #turn: Promise<unknown> = Promise.resolve()

  constructor(source: PictureSource, settings: LoadSettings) {
    this.settings = settings
    this.#source = source
    this.workers = settings.workers ?? availableParallelism()
  }

  /** @param room memory for the pixels, of their length; lost to the caller when this throws
   * @throws the signal's reason; pictures that cannot be read are in the result */
  load(indices: readonly number[], signal?: AbortSignal, room?: Uint8Array): Promise<LoadedPictures> {
    const result = this.#turn.then(() => this.#load(indices, signal, room))
    this.#turn = result.catch(() => undefined)
    return result
  }

  async #load(indices: readonly number[], signal?: AbortSignal, room?: Uint8Array): Promise<LoadedPictures> {
    signal?.throwIfAborted()
    const { cropTo, decoder } = this.settings
    const failures: (DatasetError | null)[] = indices.map(() => null)
    const failed = (row: number, error: unknown): null => {
      if (!(error instanceof DatasetError)) throw error
      failures[row] = error
      return null
    }
    const encoded: (EncodedPicture | null)[] = []
    for (const [row, index] of indices.entries()) {
      encoded.push(await this.#source.encoded(index).catch((error: unknown) => failed(row, error)))
    }
    const size = cropTo * cropTo * 3
    const result =
      decoder === 'auto' && jpegLibrary() !== ''
        ? // An empty picture is none that libjpeg-turbo takes.
          await decodeBatch(
            encoded.map((item) => item ?? new Uint8Array()),
            { ...this.settings, threads: this.workers, room },
          )
        : {
            pixels: room ?? new Uint8Array(indices.length * size),
            done: new Uint8Array(indices.length),
            sizes: new Int32Array(indices.length * 2),
          }
    const rest = Array.from(indices.keys()).filter((row) => result.done[row] === 0 && failures[row] === null)
    const work = async (row: number): Promise<void> => {
      try {
        const name = this.#source.nameOf(indices[row] as number)
        const picture = await loadPicture(encoded[row] as EncodedPicture, name, this.settings)
        result.pixels.set(picture.pixels, row * size)
        result.sizes.set([picture.height, picture.width], row * 2)
      } catch (error) {
        failed(row, error)
      }
    }
    await mapConcurrent(rest, this.workers, work, signal)
    failures.forEach((failure, row) => failure !== null && result.pixels.fill(0, row * size, (row + 1) * size))
    return { pixels: result.pixels, sizes: result.sizes, failures }
  }
}
