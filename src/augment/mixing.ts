/**
 * Mixing within a batch of pictures: MixUp (Zhang et al. 2017, https://arxiv.org/abs/1710.09412), CutMix (Yun et al. 2019,
 * https://arxiv.org/abs/1905.04899), FMix (Harris et al. 2020, https://arxiv.org/abs/2002.12047), TokenMix (Liu et al. 2022,
 * https://arxiv.org/abs/2207.08409), and one cut-out box for all.
 *
 * One λ and one permutation for a batch, both functions of (seed, epoch, first sample): a resume mixes as the run would have. The
 * label of a mixed picture is λ of its own and 1 − λ of its partner's; λ is the share that is left after clipping at the border.
 */
import { torch, type Tensor } from '../binding/index.ts'
import { ShapeError } from '../util/errors.ts'
import { Rng } from '../util/rng.ts'

export type MixMethod = 'mixup' | 'cutmix' | 'fmix' | 'cutout' | 'tokenmix'

export interface MixOptions {
  readonly method: MixMethod
  /** Of the Beta(alpha, alpha) that λ is drawn from. */
  readonly alpha: number
  /** The images are stacked view by view; views of one sample are mixed with views of one other. Default 1. */
  readonly views?: number
}

/** What a batch is, for the draws. */
export interface MixKey {
  readonly seed: number
  readonly epoch: number
  /** Identity of the batch's first sample. */
  readonly sample: number
}

export interface Mixture {
  /** float32 [views · N, 3, S, S] */
  readonly images: Tensor
  /** [views · N] int64: whom each picture is mixed with. */
  readonly partners: Tensor
  /** Share of a picture's own label, in [0, 1]. */
  readonly lambda: number
  /** bool [S, S], true where the own pixels stay; null where each pixel is of both. */
  readonly own: Tensor | null
}

/** A place of the draws that no operation of a plan reaches. */
const MIX_OPERATION = 0x6d697862

/** What the draws about a batch decide: whether and how it is mixed, its pictures, its hidden states. */
const subjects = { choice: 0, pictures: 1, hidden: 2 } as const

export function batchRng({ seed, epoch, sample }: MixKey, subject: keyof typeof subjects): Rng {
  return new Rng({ seed, epoch, sample, operation: MIX_OPERATION + subjects[subject] })
}

/**
 * @param images float32 [views · N, 3, S, S]; not changed
 * @throws {ShapeError} when there is nothing to mix
 */
export function mixImages(images: Tensor, options: MixOptions, key: MixKey): Mixture {
  const [count = 0, , height = 0, width = 0] = images.shape
  if (images.shape.length !== 4 || count < 1)
    throw new ShapeError(`mixing: expected images [N, 3, S, S], got [${images.shape.join(', ')}]`)
  const { views = 1 } = options
  const rng = batchRng(key, 'pictures')
  const lambda = beta(options.alpha, rng)
  const partners = drawPartners(count / views, views, rng, images.device)
  const { ops } = torch
  if (options.method === 'mixup') {
    const other = ops.indexSelect(images, 0, partners)
    return { images: ops.add(ops.mul(images, lambda), ops.mul(other, 1 - lambda)), partners, lambda, own: null }
  }
  const mask = maskOf(options.method, height, width, lambda, rng)
  const share = mask.reduce((sum, own) => sum + own, 0) / mask.length
  const own = torch.tensor(mask, { shape: [height, width], device: images.device }).to('bool')
  const other = options.method === 'cutout' ? ops.zerosLike(images) : ops.indexSelect(images, 0, partners)
  // A picture with a hole keeps its label.
  return { images: ops.where(own, images, other), partners, lambda: options.method === 'cutout' ? 1 : share, own }
}

function maskOf(method: MixMethod, height: number, width: number, lambda: number, rng: Rng): Uint8Array {
  if (method === 'fmix') return fourierMask(height, width, lambda, rng)
  if (method === 'tokenmix') return enlarged(tokenBlocks(height, width, rng), height, width)
  return boxMask(height, width, lambda, rng)
}

/** A random permutation of 0 … count − 1, the same within each view: int64 [views · count]. */
export function drawPartners(count: number, views: number, rng: Rng, device: string): Tensor {
  const order = Array.from({ length: count }, (_, i) => i)
  for (let last = count - 1; last > 0; last--) {
    const chosen = rng.below(last + 1)
    const moved = order[last] as number
    order[last] = order[chosen] as number
    order[chosen] = moved
  }
  const rows = Array.from({ length: views }, (_, view) => order.map((sample) => BigInt(view * count + sample)))
  return torch.tensor(BigInt64Array.from(rows.flat()), { device })
}

/** Beta(alpha, alpha) in [0, 1]. */
export function beta(alpha: number, rng: Rng): number {
  const [a, b] = [gamma(alpha, rng), gamma(alpha, rng)]
  return a + b > 0 ? a / (a + b) : 0.5
}

/** Gamma(shape, 1), Marsaglia & Tsang 2000, "A simple method for generating gamma variables". */
function gamma(shape: number, rng: Rng): number {
  if (shape < 1) return gamma(shape + 1, rng) * (1 - rng.uniform()) ** (1 / shape)
  const d = shape - 1 / 3
  const c = 1 / Math.sqrt(9 * d)
  for (;;) {
    const x = normal(rng)
    const v = (1 + c * x) ** 3
    const u = 1 - rng.uniform()
    if (v > 0 && Math.log(u) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v
  }
}

/** Standard normal, Box & Muller 1958. */
function normal(rng: Rng): number {
  return Math.sqrt(-2 * Math.log(1 - rng.uniform())) * Math.cos(2 * Math.PI * rng.uniform())
}

/** A box of 1 − λ of the area about a uniform centre, clipped at the border. */
export interface Box {
  readonly top: number
  readonly left: number
  readonly bottom: number
  readonly right: number
}

function drawBox(height: number, width: number, lambda: number, rng: Rng): Box {
  const side = Math.sqrt(1 - lambda) / 2
  const [halfHeight, halfWidth] = [Math.trunc(side * height), Math.trunc(side * width)]
  const [x, y] = [rng.below(width), rng.below(height)]
  return {
    top: Math.max(y - halfHeight, 0),
    left: Math.max(x - halfWidth, 0),
    bottom: Math.min(y + halfHeight, height),
    right: Math.min(x + halfWidth, width),
  }
}

/** 1 where the picture's own pixels stay, 0 in the box. [height · width] */
export function boxMask(height: number, width: number, lambda: number, rng: Rng): Uint8Array {
  const { top, left, bottom, right } = drawBox(height, width, lambda, rng)
  const mask = new Uint8Array(height * width).fill(1)
  for (let y = top; y < bottom; y++) mask.fill(0, y * width + left, y * width + Math.max(left, right))
  return mask
}

/** Power of the frequency that FMix divides its noise by. */
const DECAY = 3

/** The λ brightest share of low-frequency noise is 1: white noise in the spectrum, divided by frequency³. [height · width] */
function fourierMask(height: number, width: number, lambda: number, rng: Rng): Uint8Array {
  const columns = Math.floor(width / 2) + 1
  const spectrum = new Float32Array(height * columns * 2)
  const lowest = 1 / Math.max(height, width)
  for (let y = 0; y < height; y++) {
    const down = (y < (height + 1) / 2 ? y : y - height) / height
    for (let x = 0; x < columns; x++) {
      const scale = 1 / Math.max(Math.hypot(down, x / width), lowest) ** DECAY
      const at = (y * columns + x) * 2
      spectrum[at] = normal(rng) * scale
      spectrum[at + 1] = normal(rng) * scale
    }
  }
  const picture = torch.scope(() => {
    const complex = torch.call(
      'aten::view_as_complex',
      torch.tensor(spectrum, { shape: [height, columns, 2] }),
    ) as Tensor
    const real = torch.call('aten::fft_irfft2', complex, [height, width], [-2, -1]) as Tensor
    return Array.from(real.data() as Float32Array)
  })
  const order = picture.map((_, i) => i).sort((a, b) => (picture[b] as number) - (picture[a] as number))
  const mask = new Uint8Array(height * width)
  for (const place of order.slice(0, Math.round(lambda * mask.length))) mask[place] = 1
  return mask
}

/** Pixels to a token of TokenMix, its share that changes, and the least share of a block (14 of 14 × 14 in the paper). */
const TOKEN = 16
const TOKEN_SHARE = 0.5
const LEAST_BLOCK = 14 / 196

interface Grid {
  readonly rows: number
  readonly columns: number
  /** 1 where the own token stays. */
  readonly own: Uint8Array
}

/** Blocks of tokens, of random size and aspect, until half of the tokens are the partner's. */
function tokenBlocks(height: number, width: number, rng: Rng): Grid {
  const rows = Math.max(2, Math.round(height / TOKEN))
  const columns = Math.max(2, Math.round(width / TOKEN))
  const own = new Uint8Array(rows * columns).fill(1)
  const wanted = Math.round(TOKEN_SHARE * own.length)
  const least = Math.max(1, LEAST_BLOCK * own.length)
  for (let taken = 0, attempt = 0; taken < wanted && attempt < 100; attempt++) {
    const area = least + rng.uniform() * Math.max(0, wanted - taken - least)
    const aspect = Math.exp((2 * rng.uniform() - 1) * Math.log(1 / 0.3))
    const blockRows = Math.min(rows, Math.max(1, Math.round(Math.sqrt(area * aspect))))
    const blockColumns = Math.min(columns, Math.max(1, Math.round(Math.sqrt(area / aspect))))
    const top = rng.below(rows - blockRows + 1)
    const left = rng.below(columns - blockColumns + 1)
    for (let y = top; y < top + blockRows; y++)
      for (let x = left; x < left + blockColumns && taken < wanted; x++) {
        taken += own[y * columns + x] as number
        own[y * columns + x] = 0
      }
  }
  return { rows, columns, own }
}

/** Each pixel as its token. [height · width] */
function enlarged({ rows, columns, own }: Grid, height: number, width: number): Uint8Array {
  return Uint8Array.from({ length: height * width }, (_, i) => {
    const row = Math.floor((Math.floor(i / width) * rows) / height)
    const column = Math.floor(((i % width) * columns) / width)
    return own[row * columns + column] as number
  })
}

/**
 * Undoes MixToken for outputs that belong to tokens, so that each is compared with its own label (Jiang et al. 2021, §3.3).
 *
 * @param tokens   [N, T, …] outputs for mixed tokens, without class tokens and registers
 * @param own      bool [T], as it was mixed
 * @param partners int64 [N], as it was mixed
 */
export function unmixTokens(tokens: Tensor, own: Tensor, partners: Tensor): Tensor {
  const { ops } = torch
  const shape = [1, own.shape[0] ?? 0, ...tokens.shape.slice(2).map(() => 1)]
  // Row i shows tokens of sample partners[i]: they go home to the row that the inverse permutation names.
  return ops.where(
    ops.reshape(own, shape),
    tokens,
    ops.indexSelect(tokens, 0, torch.call('aten::argsort', partners) as Tensor),
  )
}
