/**
 * Batches for a training or evaluation loop: samples are read, decoded and augmented ahead of the consumer.
 *
 * At most `prefetch` batches are on their way beside the one being consumed, so that a slow consumer holds the loader back. Leaving
 * the loop early (break, throw, return) aborts what is on its way and frees it.
 */
import type { AugmentPlan } from '../augment/index.ts'
import { torch } from '../binding/index.ts'
import type { Tensor } from '../binding/index.ts'
import { ConfigError } from '../util/errors.ts'
import type { Dataset } from './dataset.ts'
import type { Sampler } from './samplers.ts'

export interface Batch {
  /** float32 [views · N, 3, S, S], channels-last, stacked view by view; on the loader's device. */
  readonly images: Tensor
  /** float32 [local views · N, 3, s, s]: more views of the same samples as small crops, where the loader makes them. */
  readonly localImages?: Tensor
  /** int64 [N], on the loader's device. */
  readonly labels: Tensor
  /** [N] */
  readonly labelValues: Int32Array
  /** [N] stable identities of the samples. */
  readonly ids: Int32Array
  /** [N] positions in the data set. */
  readonly indices: Int32Array
  /** N */
  readonly size: number
  readonly views: number
  /** The epoch that the batch belongs to, from 0. */
  readonly epoch: number
  /** Frees the tensors; the consumer's part. */
  dispose(): void
}

export interface LoaderOptions {
  readonly dataset: Dataset
  readonly sampler: Sampler
  readonly plan: AugmentPlan
  readonly batchSize: number
  /** Augmented versions of each sample. Default 1. */
  readonly views?: number
  /** More views of each sample by another plan, which may end with another size. */
  readonly localCrops?: { readonly plan: AugmentPlan; readonly views: number } | undefined
  /** Threads of an augmentation, whose number changes no result. Default 1: beside a training step on the same processor. */
  readonly threads?: number
  /** Leave out a last batch that is not full. Default false. */
  readonly dropLast?: boolean
  /** Default "cpu". */
  readonly device?: string
  /** Batches prepared ahead. Default 2. */
  readonly prefetch?: number
  /** Ends the iteration with its reason. */
  readonly signal?: AbortSignal
}

export class Loader {
  readonly batchesPerEpoch: number
  readonly #options: LoaderOptions

  /** @throws {ConfigError} when the sizes give no batch */
  constructor(options: LoaderOptions) {
    const { sampler, batchSize, views = 1, dropLast = false, prefetch = 2, threads = 1 } = options
    for (const [name, value] of Object.entries({ batchSize, views, prefetch, threads })) {
      if (!Number.isInteger(value) || value < 1) throw new ConfigError(`loader: expected ${name} ≥ 1 but got ${value}.`)
    }
    this.batchesPerEpoch = dropLast ? Math.floor(sampler.length / batchSize) : Math.ceil(sampler.length / batchSize)
    if (this.batchesPerEpoch === 0) {
      throw new ConfigError(
        `loader: ${sampler.length} samples give no batch of ${batchSize}. Make the batch smaller or keep the last one.`,
      )
    }
    this.#options = options
  }

  get dataset(): Dataset {
    return this.#options.dataset
  }

  get batchSize(): number {
    return this.#options.batchSize
  }

  /**
   * The batches of an epoch, from `startStep` on: a resume meets the batches that the run would have met.
   *
   * @throws {DatasetError} when a sample cannot be read
   */
  async *epoch(epoch: number, startStep: number = 0): AsyncIterableIterator<Batch> {
    const { sampler, batchSize, prefetch = 2, signal } = this.#options
    const order = sampler.indices(epoch)
    const stop = new AbortController()
    const abort = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal
    const underway: Promise<Batch>[] = []
    let next = startStep
    const rounds = occurrences(order)
    const rooms = new Rooms()
    const begin = (): void => {
      const [from, to] = [next * batchSize, (next + 1) * batchSize]
      const batch = this.#load(order.subarray(from, to), rounds.subarray(from, to), epoch, rooms, abort)
      // The consumer meets the failure when it comes to this batch; until then it must not count as unhandled.
      void batch.catch(() => undefined)
      underway.push(batch)
      next++
    }
    try {
      while (next < this.batchesPerEpoch || underway.length > 0) {
        signal?.throwIfAborted()
        while (underway.length <= prefetch && next < this.batchesPerEpoch) begin()
        const batch = await (underway[0] as Promise<Batch>)
        void underway.shift()
        yield batch
      }
    } finally {
      stop.abort()
      for (const outcome of await Promise.allSettled(underway)) {
        if (outcome.status === 'fulfilled') outcome.value.dispose()
      }
    }
  }

  async #load(chosen: Int32Array, rounds: Int32Array, epoch: number, rooms: Rooms, signal: AbortSignal): Promise<Batch> {
    const { dataset, plan, views = 1, localCrops, threads = 1, device = 'cpu' } = this.#options
    const samples = Array.from(chosen, (index) => dataset.at(index))
    const room = rooms.take(samples.length * dataset.height * dataset.width * 3)
    const pixels = await dataset.read(Array.from(chosen), signal, room)
    signal.throwIfAborted()
    // Kept out of any scope of the consumer: a batch lives until its dispose().
    const made: Tensor[] = []
    const keep = (tensor: Tensor): Tensor => {
      made.push(torch.keep(tensor))
      return tensor
    }
    try {
      const raw = keep(torch.tensor(pixels, { shape: [samples.length, dataset.height, dataset.width, 3] }))
      rooms.giveBack(room)
      // A sample that comes again in an epoch is augmented anew.
      const drawKeys = BigInt64Array.from(samples, ({ id }, row) => BigInt(id) + (BigInt(rounds[row] ?? 0) << 32n))
      const keys = keep(torch.tensor(drawKeys))
      const augmented = keep(await plan.apply(raw, keys, { epoch, views, threads }))
      const small =
        localCrops === undefined
          ? null
          : keep(await localCrops.plan.apply(raw, keys, { epoch, views: localCrops.views, firstView: views, threads }))
      raw.dispose()
      keys.dispose()
      signal.throwIfAborted()
      const onDevice = (tensor: Tensor): Tensor => {
        if (device === 'cpu') return tensor
        const moved = keep(toDevice(tensor, device))
        tensor.dispose()
        return moved
      }
      const images = onDevice(augmented)
      const localImages = small === null ? null : onDevice(small)
      const labelValues = Int32Array.from(samples, ({ label }) => label)
      const labels = keep(torch.tensor(BigInt64Array.from(labelValues, BigInt), { device }))
      return {
        images,
        ...(localImages === null ? {} : { localImages }),
        labels,
        labelValues,
        ids: Int32Array.from(samples, ({ id }) => id),
        indices: Int32Array.from(chosen),
        size: samples.length,
        views,
        epoch,
        dispose() {
          images.dispose()
          localImages?.dispose()
          labels.dispose()
        },
      }
    } catch (error) {
      for (const tensor of made) tensor.dispose()
      throw error
    }
  }
}

/**
 * Memory for the pixels of batches, used again: new arrays of megabytes for each batch would keep the garbage collector busier than the
 * copying. What is not given back (a read that failed, of which something may still be on its way) is left to the collector.
 */
class Rooms {
  readonly #free: Uint8Array[] = []

  take(bytes: number): Uint8Array {
    const room = this.#free.pop()
    return room !== undefined && room.buffer.byteLength >= bytes ? new Uint8Array(room.buffer, 0, bytes) : new Uint8Array(bytes)
  }

  giveBack(room: Uint8Array): void {
    this.#free.push(room)
  }
}

/** How often each index came before in the order. */
function occurrences(order: Int32Array): Int32Array {
  const counts = new Map<number, number>()
  return order.map((index) => {
    const before = counts.get(index) ?? 0
    counts.set(index, before + 1)
    return before
  })
}

/** Through page-locked memory, from which CUDA copies beside what the device is computing. */
function toDevice(tensor: Tensor, device: string): Tensor {
  if (!device.startsWith('cuda')) return tensor.to(device)
  const pinned = torch.call('aten::pin_memory', tensor) as Tensor
  try {
    return torch.call('aten::_to_copy', pinned, { device, non_blocking: true }) as Tensor
  } finally {
    pinned.dispose() // its memory is used again only when the copy is done
  }
}
