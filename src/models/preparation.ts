/** How images were prepared for the weights that a network starts from. */
import { z } from 'zod'
import type { Interpolation } from '../binding/index.ts'
import { ByteFile } from './checkpoint/byte-file.ts'
import { modelInfo } from './list.ts'

export interface Preparation {
  readonly imageSize: number
  /** shorter side before the central square of so many pixels is taken, in pixels: ⌊imageSize / crop fraction⌋, as timm has it */
  readonly resizeTo: (imageSize: number) => number
  readonly interpolation: Interpolation
  /** per RGB channel, of values scaled to 0–1 */
  readonly mean: readonly number[]
  readonly std: readonly number[]
}

/**
 * What a file of ours says of itself, else what the registry knows of the network (timm's pretrained configuration); null for a network
 * without weights, and where nothing is known.
 *
 * @param pretrained false, true, `hf:<repository>[@<revision>]` or a file; one that cannot be read is left to those who load it
 */
export async function preparationOf(name: string, pretrained: boolean | string): Promise<Preparation | null> {
  if (pretrained === false) return null
  const stored = await storedPreparation(pretrained)
  if (stored !== null) return stored
  const info = modelInfo(name)
  if (info === null) return null
  const { imageSize, interpolation, mean, std, cropFraction } = info.preprocessing
  if (interpolation !== 'bilinear' && interpolation !== 'bicubic') return null
  return { imageSize, interpolation, mean, std, resizeTo: (size) => Math.floor(size / cropFraction) }
}

const size = z.number().int().positive()
const channels = z.array(z.number()).length(3)
const description = z.object({
  imageSize: size,
  resizeTo: size,
  interpolation: z.enum(['bilinear', 'bicubic']).default('bilinear'),
  mean: channels,
  std: channels,
})

/** What snapshots and exports of ours say of themselves, in the header of the file under "trivium"; null for all other weights. */
export async function storedPreparation(pretrained: boolean | string): Promise<Preparation | null> {
  if (typeof pretrained === 'boolean' || pretrained.startsWith('hf:')) return null
  const described = description.safeParse(await headerOf(pretrained))
  if (!described.success) return null
  const { imageSize, resizeTo, ...rest } = described.data
  return { ...rest, imageSize, resizeTo: (wanted) => Math.max(wanted, Math.round((wanted * resizeTo) / imageSize)) }
}

const largestHeader = 100e6

async function headerOf(path: string): Promise<unknown> {
  let file: ByteFile | null = null
  try {
    file = await ByteFile.open(path)
    const length = Number((await file.read(0, 8)).readBigUInt64LE())
    if (length > largestHeader) return null
    const header = JSON.parse((await file.read(8, length)).toString()) as { __metadata__?: { trivium?: string } }
    return JSON.parse(header.__metadata__?.trivium ?? 'null')
  } catch {
    return null // not a safetensors file, or none of ours
  } finally {
    await file?.close()
  }
}
