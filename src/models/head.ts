/** Heads: what stands behind a backbone's pooled features. */
import { NativeModule } from '../binding/index.ts'
import type { Tensor } from '../binding/index.ts'
import { ConfigError } from '../util/errors.ts'
import { checkOptionNames, type OptionNames } from '../util/option-names.ts'
import { didYouMean } from '../util/suggest.ts'
import { nativeOptions } from './native-options.ts'

interface Common {
  /** D, the backbone's numFeatures */
  readonly inFeatures: number
  readonly seed?: number | undefined
  readonly device?: string | undefined
}

/** [N, D] → embeddings of unit length [N, outFeatures] through one hidden layer (Khosla et al. 2020, section 3.1). */
export interface ProjectionHeadOptions extends Common {
  readonly kind: 'projection'
  readonly outFeatures: number
  /** default inFeatures */
  readonly hiddenFeatures?: number | undefined
}

/** [N, D] → cos θ to each class's direction, the nearest of its `subCenters` [N, numClasses] (Deng et al. 2018, 2020). */
export interface CosineHeadOptions extends Common {
  readonly kind: 'cosine'
  readonly numClasses: number
  /** directions of a class; default 1 */
  readonly subCenters?: number | undefined
}

/** [N, D] → logits [N, numClasses]. */
export interface LinearHeadOptions extends Common {
  readonly kind: 'linear'
  readonly numClasses: number
}

export type HeadOptions = ProjectionHeadOptions | CosineHeadOptions | LinearHeadOptions
export type HeadKind = HeadOptions['kind']

export const headKinds: readonly HeadKind[] = ['projection', 'cosine', 'linear']

export class Head {
  readonly kind: HeadKind
  readonly native: NativeModule
  readonly inFeatures: number
  readonly outFeatures: number

  constructor(kind: HeadKind, native: NativeModule, inFeatures: number, outFeatures: number) {
    this.kind = kind
    this.native = native
    this.inFeatures = inFeatures
    this.outFeatures = outFeatures
  }

  get parameterCount(): number {
    return this.native.info.parameterCount
  }

  /** [N, inFeatures] → [N, outFeatures]. */
  forward(features: Tensor): Promise<Tensor> {
    return this.native.forward(features)
  }

  stateDict(): Map<string, Tensor> {
    return this.native.stateDict()
  }

  namedParameters(): Map<string, Tensor> {
    return this.native.namedParameters()
  }

  /** @throws {SnapshotError} listing missing, surplus and mis-shaped names; nothing is changed then */
  async loadStateDict(state: ReadonlyMap<string, Tensor>): Promise<void> {
    await this.native.loadStateDict(state)
  }

  dispose(): void {
    this.native.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}

/** Of all kinds: what one has and another does not may be given to both. */
const optionNames: OptionNames<ProjectionHeadOptions & Omit<CosineHeadOptions, 'kind'>> = {
  ...{ kind: true, inFeatures: true, seed: true, device: true },
  ...{ outFeatures: true, hiddenFeatures: true, numClasses: true, subCenters: true },
}

/** @throws {ConfigError} for an unknown kind, an option that there is not, or a size that is not a whole number of at least 1 */
export async function createHead(options: HeadOptions): Promise<Head> {
  const { kind, inFeatures, device = 'cpu', seed } = options
  if (!headKinds.includes(kind)) {
    throw new ConfigError(
      `expected a head of kind ${headKinds.join(', ')} but got "${String(kind)}".${didYouMean(String(kind), headKinds)}`,
    )
  }
  checkOptionNames('createHead', options, optionNames)
  const outFeatures = options.kind === 'projection' ? options.outFeatures : options.numClasses
  const hiddenFeatures = options.kind === 'projection' ? options.hiddenFeatures : undefined
  // Left out where it is 1: other kinds of head know no such option.
  const subCenters = options.kind === 'cosine' && options.subCenters !== 1 ? options.subCenters : undefined
  const sizes = { inFeatures, outFeatures, hiddenFeatures, subCenters }
  const native = await NativeModule.createHead(kind, nativeOptions({ ...sizes, seed }))
  if (device !== 'cpu') await native.to(device)
  return new Head(kind, native, inFeatures, outFeatures)
}
