/** Synthetic pictures (drawn by a diffusion model, say) that are learnt from beside the real ones of the training part. */
import { stat } from 'node:fs/promises'
import { z } from 'zod'
import { ConfigError, DatasetError } from '../util/errors.ts'
import type { Logger } from '../util/logger.ts'
import { permutation } from '../util/rng.ts'
import { checkIndex, subset } from './dataset.ts'
import type { Dataset } from './dataset.ts'
import { findSomeClasses } from './image-files.ts'
import { fileSource } from './source.ts'
import type { PictureSource } from './source.ts'

export interface ReplayOptions {
  /** Class folders, named as the classes of the data set; a class may be missing. */
  readonly directory: string
  /** At most so many synthetic pictures for each real one. */
  readonly ratio: number
}

export const replaySchema: z.ZodType<ReplayOptions> = z.strictObject({
  directory: z.string().min(1).describe('class folders of synthetic pictures'),
  ratio: z.number().positive().max(1000).default(1).describe('at most so many synthetic pictures for each real one'),
})

/** Identities of synthetic pictures begin here, above those of every real one. */
export const FIRST_REPLAY_ID: number = 2 ** 30

/**
 * @throws {ConfigError}  for a folder that is not there
 * @throws {DatasetError} for one without pictures, or of a class that the data set does not have
 */
export async function replaySource(
  { directory }: ReplayOptions,
  classNames: readonly string[],
  logger: Logger,
): Promise<PictureSource> {
  if (!(await stat(directory).then((info) => info.isDirectory(), () => false)))
    throw new ConfigError(`data.replay.directory: expected a folder of class folders, and ${directory} is none.`, {
      option: ['data', 'replay', 'directory'],
    })
  return fileSource({ ...(await findSomeClasses(directory, classNames, logger)), name: directory, root: directory })
}

/**
 * `real` first, then the synthetic ones: all of them, or as many as `ratio` allows, chosen by the seed and the same in every epoch.
 *
 * @throws {DatasetError} when pictures or classes differ
 */
export function withReplay(real: Dataset, synthetic: Dataset, ratio: number, seed: number): Dataset {
  if (real.height !== synthetic.height || real.width !== synthetic.width || real.classNames.length !== synthetic.classNames.length)
    throw new DatasetError(
      `${synthetic.name}: expected pictures of ${real.height}×${real.width} in ${real.classNames.length} classes, as ${real.name} has, ` +
        `but got ${synthetic.height}×${synthetic.width} in ${synthetic.classNames.length}.`,
    )
  const allowed = Math.round(ratio * real.length)
  const order = Array.from(permutation(synthetic.length, seed, 0)).slice(0, allowed)
  return beside(real, subset(synthetic, order.sort((a, b) => a - b)))
}

function beside(first: Dataset, second: Dataset): Dataset {
  const length = first.length + second.length
  const size = first.height * first.width * 3
  const place = (index: number): number => checkIndex({ name: first.name, length }, index)
  return {
    ...{ name: first.name, classNames: first.classNames, length, height: first.height, width: first.width },
    labels: Int32Array.from([...first.labels, ...second.labels]),
    unreadable: [...first.unreadable, ...second.unreadable],
    at: (index) => (place(index) < first.length ? first.at(index) : second.at(index - first.length)),
    async read(indices, signal, room) {
      const out = room ?? new Uint8Array(indices.length * size)
      const readRows = async (part: Dataset, offset: number, rows: readonly number[]): Promise<void> => {
        if (rows.length === 0) return
        const wanted = rows.map((row) => (indices[row] as number) - offset)
        if (rows.length === indices.length) return void (await part.read(wanted, signal, out))
        const pixels = await part.read(wanted, signal)
        rows.forEach((row, at) => out.set(pixels.subarray(at * size, (at + 1) * size), row * size))
      }
      const rows = Array.from(indices.keys())
      const isFirst = (row: number): boolean => place(indices[row] as number) < first.length
      // one after the other: both decode on threads of their own
      await readRows(first, 0, rows.filter(isFirst))
      await readRows(second, first.length, rows.filter((row) => !isFirst(row)))
      return out
    },
  }
}
