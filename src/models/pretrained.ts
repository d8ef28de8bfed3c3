/** Starting from weights that exist: where they come from, and how a file meets a network with another classifier. */
import { torch } from '../binding/index.ts'
import type { Tensor } from '../binding/index.ts'
import type { DownloadContext } from '../util/download.ts'
import { ConfigError, SnapshotError } from '../util/errors.ts'
import type { Logger } from '../util/logger.ts'
import { storedAdapters } from './adapters.ts'
import { ByteFile } from './checkpoint/byte-file.ts'
import { timmNames } from './checkpoint/original-names.ts'
import { parseHubAddress } from './hub/address.ts'
import type { HubAddress } from './hub/address.ts'
import { obtainFromHub } from './hub/obtain.ts'
import { addedTensors } from './block-options.ts'
import { publishedParts } from './hybrid.ts'
import type { HybridOptions } from './hybrid.ts'
import { modelInfo } from './list.ts'
import type { Model } from './model.ts'
import { resamplePatches, resamplePositions } from './positions.ts'
import { readWeights } from './weights.ts'

export type WeightsSource =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'hub'; readonly address: HubAddress; readonly license: string | null }

/**
 * What `pretrained` asks for: `true` the published weights of the network, `hf:<repository>[@<revision>]` those of a repository, any
 * other text a file, `false` none (null).
 *
 * @throws {ConfigError} when the network has no published weights, or the text is an address of another kind
 */
export function weightsSource(name: string, pretrained: boolean | string): WeightsSource | null {
  if (pretrained === false) return null
  const published = modelInfo(name)
  if (pretrained === true) {
    if (published === null || published.weights === '') {
      throw new ConfigError(
        `${name}: pretrained: true asks for published weights, and none of this network are known. ` +
          'Give a file, or hf:<repository>[@<revision>], or pretrained: false.',
      )
    }
    const address = { repo: published.weights, revision: 'main' }
    return { kind: 'hub', address, license: published.license || null }
  }
  if (pretrained.startsWith('hf:') && !pretrained.startsWith('hf://')) {
    const address = parseHubAddress(pretrained)
    const known = published?.weights === address.repo ? published.license : ''
    return { kind: 'hub', address, license: known || null }
  }
  if (/^([a-z][\w+-]*:\/\/|hub:|hf[-_]hub:|timm:)/i.test(pretrained)) {
    throw new ConfigError(
      `${name}: expected pretrained to be true, a file, or hf:<repository>[@<revision>] but got "${pretrained}". ` +
        'Fetch other addresses by hand and give the path.',
    )
  }
  return { kind: 'file', path: pretrained }
}

/** The file on this computer, fetched when it is not there yet. Says whose weights they are and under which licence. */
export async function obtainWeights(source: WeightsSource, context: DownloadContext): Promise<string> {
  if (source.kind === 'file') return source.path
  const { address, license } = source
  const path = await obtainFromHub(address, context)
  context.logger.info(
    `weights of ${address.repo}${address.revision === 'main' ? '' : `@${address.revision}`}, ` +
      `${license === null ? 'licence: see the page of the repository' : `licence ${license}`}: ${path}`,
  )
  return path
}

/** Finds out before hours of other work whether weights can be had: fetches them, or looks whether the file is there. */
export async function ensureWeights(
  backbone: HybridOptions & { readonly name: string },
  pretrained: boolean | string,
  context: DownloadContext,
): Promise<void> {
  for (const name of pretrained === true ? publishedParts(backbone) : [backbone.name]) {
    const source = weightsSource(name, pretrained)
    if (source?.kind === 'hub') await obtainFromHub(source.address, context)
    if (source?.kind === 'file') await (await ByteFile.open(source.path)).close()
  }
}

/** How timm's networks name their last linear layer. A test holds it against every family. */
const classifierNames = /^(fc|linear|head|head\.fc)\.(weight|bias)$/

/** Before the classifier, and like it unknown to programs that pretrain without one. */
const headNorms = /^head\.norm\.(weight|bias)$/

/** Stored by some versions of timm and by pretraining programs, and left out by timm too: tables and masks of windows, the mask's token. */
const unusedNames = /(^|\.)(relative_position_index|relative_coords_table|attn_mask|mask_token)$/

export interface PretrainedReport {
  /** What was taken from where, when the file holds more than a state dict, and what was fitted to the network. */
  readonly notes: readonly string[]
  /** What does not come from the file: parts left out, or left at their fresh values. */
  readonly warnings: readonly string[]
}

/**
 * Loads a file of the network's names, or of its authors' (checkpoint/original-names.ts), into `model`. The classifier is left at its fresh values when the file has none or one of another
 * number of classes, and left out when the model has none. Tables that the network computes itself are left out. Batch counters that
 * PyTorch did not store before version 0.4.1 start at 0. Position and patch embeddings of other sizes are resampled (positions.ts),
 * tensors that an option adds to the network start afresh, adapters of a training snapshot are merged into the weights. All else must fit.
 *
 * @param onClassifier is given the file's classifier, weight [C, D] and bias [C], when the model has none; valid during the call
 * @throws {SnapshotError} naming missing, surplus and mis-shaped tensors; nothing is changed then
 */
export async function loadPretrained(
  model: Model,
  path: string,
  onClassifier?: (classifier: ReadonlyMap<'weight' | 'bias', Tensor>) => Promise<void>,
): Promise<PretrainedReport> {
  return torch.scope(async () => {
    const { tensors, metadata, found } = await readWeights(path)
    expectNumbers(tensors, path)
    const adapters = storedAdapters(tensors, metadata, path)
    if (adapters !== null) await model.attachAdapters(adapters)
    const notes = found === '' ? [] : [`${path}: weights ${found}`]
    const named = timmNames(modelInfo(model.name)?.family ?? '', tensors, model.stateDict())
    const given = named.state
    if (named.renamed) notes.push(`${path}: tensors are named as in the authors' program, and read under timm's names`)
    const warnings: string[] = []
    const own = model.stateDict()
    const state = new Map(given)
    const ownClassifier = classifierOf(own)
    const givenClassifier = classifierOf(given)
    const fits =
      ownClassifier.length === givenClassifier.length &&
      ownClassifier.every((name) => sameShape(own.get(name), given.get(name)))
    if (!fits) {
      for (const name of givenClassifier) state.delete(name)
      for (const name of ownClassifier) state.set(name, own.get(name) as Tensor)
      if (ownClassifier.length > 0 || onClassifier === undefined) {
        warnings.push(differentClassifier(path, [ownClassifier, own], [givenClassifier, given]))
      }
    }
    const unused = [...given.keys()].filter((name) => unusedNames.test(name) && !own.has(name))
    for (const name of unused) state.delete(name)
    const left = unused.length + named.left.length
    if (left > 0) {
      notes.push(
        `${path}: ${left} tensors that the network computes itself or that only pretraining used are left out.`,
      )
    }
    const counters = missingCounters(own, state)
    for (const name of counters) state.set(name, own.get(name) as Tensor)
    if (counters.length > 0) {
      warnings.push(
        `${path}: its ${counters.length} batch normalisations have no num_batches_tracked; they start at 0.`,
      )
    }
    const fresh = [...own.keys()].filter(
      (name) => (addedTensors.test(name) || (givenClassifier.length === 0 && headNorms.test(name))) && !state.has(name),
    )
    for (const name of fresh) state.set(name, own.get(name) as Tensor)
    if (fresh.length > 0) warnings.push(`${path}: it has no ${fresh.join(', ')}; they start afresh.`)
    const patches = state.get('patch_embed.proj.weight')
    const side = own.get('patch_embed.proj.weight')?.shape[2]
    if (patches?.shape.length === 4 && side !== undefined && patches.shape[2] !== side) {
      state.set('patch_embed.proj.weight', resamplePatches(patches, side))
      notes.push(`${path}: patch embedding resampled from ${patches.shape[2]} to ${side} px`)
    }
    const resampled = resamplePositions(state, own, model.preprocessing.imageSize)
    if (resampled !== null) {
      state.set('pos_embed', resampled.positions)
      notes.push(`${path}: ${resampled.note}`)
    }
    try {
      await loadNamed(model, state, path)
      if (adapters !== null) await model.mergeAdapters()
    } finally {
      if (adapters !== null) await model.unloadAdapters()
    }
    if (onClassifier !== undefined && ownClassifier.length === 0 && givenClassifier.length > 0) {
      const parts = givenClassifier.map((name): ['weight' | 'bias', Tensor] => [
        name.endsWith('.bias') ? 'bias' : 'weight',
        given.get(name) as Tensor,
      ])
      await onClassifier(new Map(parts))
    }
    if (adapters !== null) notes.push(`${path}: its adapters were merged into its weights`)
    return { notes, warnings }
  })
}

/** Weights of a training that diverged give NaN for every image. */
function expectNumbers(tensors: ReadonlyMap<string, Tensor>, path: string): void {
  const broken = [...tensors]
    .filter(
      ([, tensor]) => (torch.call('aten::any', torch.call('aten::isnan', tensor) as Tensor) as Tensor).item() !== 0,
    )
    .map(([name]) => name)
  if (broken.length === 0) return
  throw new SnapshotError(
    `${path}: expected numbers, but ${broken.length} tensors hold NaN: ${broken.slice(0, 3).join(', ')}${broken.length > 3 ? ', …' : ''}. ` +
      'The training that wrote them has diverged; use an earlier checkpoint of it.',
  )
}

/** Puts a report into the log. */
export function tell({ notes, warnings }: PretrainedReport, logger: Logger): void {
  for (const note of notes) logger.info(note)
  for (const warning of warnings) logger.warn(warning)
}

function classifierOf(tensors: ReadonlyMap<string, Tensor>): string[] {
  return [...tensors.keys()].filter((name) => classifierNames.test(name))
}

/** Counters of normalisations whose statistics the file has: PyTorch starts them at 0 too (version 2 of BatchNorm's state). */
function missingCounters(own: ReadonlyMap<string, Tensor>, given: ReadonlyMap<string, Tensor>): string[] {
  const counter = /\.num_batches_tracked$/
  return [...own.keys()].filter(
    (name) => counter.test(name) && !given.has(name) && given.has(name.replace(counter, '.running_mean')),
  )
}

type Named = readonly [names: readonly string[], tensors: ReadonlyMap<string, Tensor>]

function differentClassifier(path: string, own: Named, given: Named): string {
  const [ownNames] = own
  const [givenNames] = given
  if (ownNames.length === 0) {
    return `${path}: its classifier (${givenNames.join(', ')}) is not used: this network has none.`
  }
  const fresh = `${ownNames.join(', ')} start afresh`
  return givenNames.length === 0
    ? `${path}: expected a classifier but the file has none; ${fresh}.`
    : `${path}: its classifier has ${classes(given)} classes and this network ${classes(own)}; ${fresh}.`
}

async function loadNamed(model: Model, state: ReadonlyMap<string, Tensor>, path: string): Promise<void> {
  try {
    await model.loadStateDict(state)
  } catch (error) {
    if (error instanceof SnapshotError) throw new SnapshotError(`${path}: ${error.message}`, { cause: error })
    throw error
  }
}

function classes([names, tensors]: Named): number {
  const weight = names.find((name) => name.endsWith('.weight'))
  return (weight !== undefined && tensors.get(weight)?.shape[0]) || 0
}

function sameShape(a: Tensor | undefined, b: Tensor | undefined): boolean {
  return a !== undefined && b !== undefined && a.shape.join() === b.shape.join()
}
