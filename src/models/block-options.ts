/** Options of the blocks that networks are made of: stochastic depth, checkpointing, CBAM, MixStyle, and how transformers reduce their tokens. */
import { z } from 'zod'
import type { OptionShape } from '../util/option-shape.ts'

export interface BlockOptions {
  /** residual networks: how often the last block is left out for an image of a training batch, the others in proportion to their depth */
  readonly dropPathRate?: number | undefined
  /** keeps only the blocks' inputs for the backward pass and computes the rest again: less memory, about a third more time */
  readonly gradientCheckpointing?: boolean | undefined
  /** channel and spatial attention: in every block of residual networks, on the last map of others (Woo et al. 2018) */
  readonly useCbam?: boolean | undefined
  /** while training, the statistics of early maps are mixed between images (Zhou et al. 2021) */
  readonly useMixstyle?: boolean | undefined
  /** with useMixstyle: share of the batches that are mixed; default 0.5 */
  readonly mixstyleP?: number | undefined
  /** with useMixstyle: of the Beta distribution of the mixing weight; default 0.1 */
  readonly mixstyleAlpha?: number | undefined
  /** vision transformers: fraction of an image's tokens that ToMe merges away by the last block */
  readonly tokenMergingRatio?: number | undefined
  /** with tokenMergingRatio: 0 merges equally much in every block, −1 most in the first and nothing in the last, 1 the reverse */
  readonly tokenMergingInflection?: number | undefined
  /** vision transformers: number of tokens that TokenLearner replaces the image's with, before the middle block */
  readonly tokenLearnerTokens?: number | undefined
}

export const blockShape: OptionShape<BlockOptions> = {
  dropPathRate: z
    .number()
    .min(0)
    .lt(1)
    .optional()
    .describe('stochastic depth: chance that the last block is left out, others in proportion to their depth'),
  gradientCheckpointing: z
    .boolean()
    .optional()
    .describe('compute activations again in the backward pass instead of keeping them'),
  useCbam: z
    .boolean()
    .optional()
    .describe('CBAM: attention to channels and places, in every block of residual networks, on the last map of others'),
  useMixstyle: z
    .boolean()
    .optional()
    .describe('MixStyle: while training, statistics of early maps are mixed between images'),
  mixstyleP: z.number().min(0).max(1).optional().describe('share of the batches that MixStyle mixes; default 0.5'),
  mixstyleAlpha: z.number().positive().optional().describe('of Beta(α, α), the mixing weight of MixStyle; default 0.1'),
  tokenMergingRatio: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe('vision transformers: fraction of an image’s tokens that ToMe merges away by the last block'),
  tokenMergingInflection: z
    .number()
    .min(-1)
    .max(1)
    .optional()
    .describe('0 merges equally much in every block, -1 most in the first, 1 most in the last'),
  tokenLearnerTokens: z
    .number()
    .int()
    .min(0)
    .optional()
    .describe('vision transformers: tokens that TokenLearner replaces the image’s with, before the middle block'),
}

const keys = Object.keys(blockShape) as (keyof BlockOptions)[]

/** The blocks' part of `options`. */
export function blockOptions(options: BlockOptions): BlockOptions {
  return Object.fromEntries(keys.flatMap((key) => (options[key] === undefined ? [] : [[key, options[key]]])))
}

const switches: readonly (keyof BlockOptions)[] = [
  'dropPathRate',
  'gradientCheckpointing',
  'useCbam',
  'useMixstyle',
  'tokenMergingRatio',
  'tokenLearnerTokens',
]

/** Without the switches that are off, so that a network that has no use for one does not mind it. */
export function withoutIdleSwitches<T extends BlockOptions>(options: T): T {
  const idle = switches.filter((key) => options[key] === 0 || options[key] === false)
  return Object.fromEntries(Object.entries(options).filter(([key]) => !(idle as string[]).includes(key))) as T
}

/** Those that change what a network computes but none of its tensors: weights of one fit the other. */
const weightless: readonly (keyof BlockOptions)[] = [
  'dropPathRate',
  'gradientCheckpointing',
  'useMixstyle',
  'mixstyleP',
  'mixstyleAlpha',
  'tokenMergingRatio',
  'tokenMergingInflection',
]

/** What decides which tensors a network has. */
export function withoutWeightless<T extends BlockOptions>(options: T): T {
  const structural = Object.entries(withoutIdleSwitches(options))
  return Object.fromEntries(structural.filter(([key]) => !(weightless as string[]).includes(key))) as T
}

/** Names of tensors that an option adds to a network, so that no published file has them: they start afresh. */
export const addedTensors: RegExp = /^token_learner\.|(^|\.)cbam\./
