/** What keeps the passes of a phase from being captured as a CUDA graph (compile): said before anything is trained. */
import type { BackboneOptions } from '../models/index.ts'
import { ConfigError } from '../util/errors.ts'
import type { PhaseContext, PhaseName } from './context.ts'
import type { NetworkSpec } from './networks.ts'
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

function obstacles(name: PhaseName, options: Options, defaults: PhaseContext['defaults']): Obstacle[] {
  const found =
    options.backbone === null
      ? ofBackbone('backbone', defaults.backbone)
      : ofBackbone(`${name}.backbone`, options.backbone)
  const add = (key: string, why: string): void => void found.push({ key: `${name}.${key}`, why })
  if (options.useManifoldMixup === true)
    add('use_manifold_mixup', 'mixes at a depth that the host chooses for each batch')
  if ((options.xbmSize ?? 0) > 0) add('xbm_size', 'contrasts with a memory that grows from step to step')
  if (options.microBatch === 'auto') add('micro_batch', 'tries other sizes when memory runs out; give a number')
  return found
}

/** @throws {ConfigError} naming both keys, where a pass cannot be the same work for every batch */
export function checkCompile(
  name: PhaseName,
  options: TrainingOptions,
  { defaults }: Pick<PhaseContext, 'defaults'>,
): void {
  const [first] = obstacles(name, options, defaults)
  if (first !== undefined) throw refusal(name, first)
}

/** @throws {ConfigError} where a teacher, whose pass is captured with the student's, cannot be */
export function checkCompiledTeachers(name: PhaseName, compile: boolean, teachers: readonly NetworkSpec[]): void {
  const [first] = compile
    ? teachers.flatMap(({ backbone }) => ofBackbone('the teacher’s backbone', inEvaluation(backbone)))
    : []
  if (first !== undefined) throw refusal(name, first)
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
