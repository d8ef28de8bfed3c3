/** What keeps the passes of a phase from being captured as a CUDA graph (compile). */
import type { BackboneOptions } from '../models/index.ts'
import { ConfigError } from '../util/errors.ts'
import type { PhaseName } from './context.ts'
import type { SupConOptions } from './options/supcon.ts'
import type { MixingOptions, TrainingOptions } from './options/training.ts'

type Options = TrainingOptions & Partial<MixingOptions> & Partial<Pick<SupConOptions, 'xbmSize'>>

/** A key, by its path below the phase's section or from the top, and why it stands in the way. */
interface Obstacle {
  readonly key: string
  readonly why: string
}

function ofBackbone(section: string, backbone: Partial<BackboneOptions>): Obstacle[] {
  const found: Obstacle[] = []
  const add = (key: string, why: string): void => void found.push({ key: `${section}.${key}`, why })
  if (backbone.gradientCheckpointing === true) add('gradient_checkpointing', 'sets the generator back inside a pass')
  if (backbone.useMixstyle === true) add('use_mixstyle', 'draws on the host whom it mixes, inside a pass')
  if ((backbone.tokenMergingRatio ?? 0) > 0)
    add('token_merging_ratio', 'copies orders of tokens from the host inside a pass')
  return found
}

function obstacles(name: PhaseName, options: Options, general: BackboneOptions): Obstacle[] {
  const found =
    options.backbone === null ? ofBackbone('backbone', general) : ofBackbone(`${name}.backbone`, options.backbone)
  const add = (key: string, why: string): void => void found.push({ key: `${name}.${key}`, why })
  if (options.useManifoldMixup === true)
    add('use_manifold_mixup', 'mixes at a depth that the host chooses for each batch')
  if ((options.xbmSize ?? 0) > 0) add('xbm_size', 'contrasts with a memory that grows from step to step')
  if (options.microBatch === 'auto') add('micro_batch', 'tries other sizes when memory runs out; give a number')
  return found
}

/**
 * Where `compile` is asked for on a device that captures.
 *
 * @param general the backbone of phases that name none
 * @throws {ConfigError} naming both keys, where a pass cannot be the same work for every batch
 */
export function checkCompile(
  name: PhaseName,
  options: TrainingOptions,
  device: string,
  general: BackboneOptions,
): void {
  if (!options.compile || device === 'cpu') return
  const [first] = obstacles(name, options, general)
  if (first !== undefined) throw refusal(name, first)
}

/** @throws {ConfigError} where a teacher, whose pass is captured with the student's, cannot be */
export function checkCompiledTeacher(
  { compile }: Pick<TrainingOptions, 'compile'>,
  device: string,
  teacher: BackboneOptions,
): void {
  if (!compile || device === 'cpu') return
  const [first] = ofBackbone('the teacher’s backbone', inEvaluation(teacher))
  if (first !== undefined) throw refusal('distill', first)
}

/** A teacher evaluates: what acts in training alone is no obstacle. */
function inEvaluation({ tokenMergingRatio }: BackboneOptions): Partial<BackboneOptions> {
  return { tokenMergingRatio }
}

function refusal(name: PhaseName, { key, why }: Obstacle): ConfigError {
  return new ConfigError(
    `${name}.compile: expected passes that can be captured as a CUDA graph, but ${key} ${why}. Remove one of the two keys.`,
    {
      option: [name, 'compile'],
    },
  )
}
