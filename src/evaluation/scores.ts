/**
 * What a model said of a data set, and the file that keeps it, so that metrics can be computed again without the model.
 */
import { rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { readSafetensors, torch, writeSafetensors, type Tensor } from '../binding/index.ts'
import { NonFiniteError, ShapeError, SnapshotError } from '../util/errors.ts'
import { ensureDir, syncDirectory, writeError } from '../util/files.ts'
import { checkScores } from '../util/scores-check.ts'

/** How far each sample lies from what the model was trained on, by a detector that was fitted to the training part. */
export const noveltyNames = ['mahalanobis', 'vim'] as const
export type NoveltyName = (typeof noveltyNames)[number]

/** [N] float64 each, lower = more in-distribution: a detector's scores with their sign turned, as energies are. */
export type Novelty = Readonly<Partial<Record<NoveltyName, Float64Array>>>

export interface Scores {
  /** flat [N, C], before softmax */
  readonly logits: Float32Array
  /** [N] in [0, C) */
  readonly labels: Int32Array
  /** [C] */
  readonly classNames: readonly string[]
  /** [N] identities inside the full data set */
  readonly ids: Int32Array
  /** [N] files, where the data set has them */
  readonly paths?: readonly (string | undefined)[]
  /** views of each sample whose probabilities were averaged; left out: the sample alone */
  readonly ttaRuns?: number
  readonly novelty?: Novelty
}

/**
 * @throws {DatasetError} when there is no sample, or a label is outside [0, C)
 * @throws {ShapeError} when lengths disagree
 * @throws {NonFiniteError} when a logit or a detector's score is NaN or infinite
 */
export function validateScores(scores: Scores): void {
  checkScores(scores.logits, scores.labels, scores.classNames.length)
  const samples = scores.labels.length
  for (const [what, length] of [
    ['ids', scores.ids.length],
    ['paths', scores.paths?.length ?? samples],
    ...noveltyNames.map((name) => [`${name} scores`, scores.novelty?.[name]?.length ?? samples] as const),
  ] as const) {
    if (length !== samples) throw new ShapeError(`Expected ${samples} ${what}, one for each label, got ${length}.`)
  }
  for (const name of noveltyNames) {
    const bad = scores.novelty?.[name]?.findIndex((value) => !Number.isFinite(value)) ?? -1
    if (bad >= 0)
      throw new NonFiniteError(`Expected finite ${name} scores, got ${scores.novelty?.[name]?.[bad]} at sample ${bad}.`)
  }
}

/** Writes the scores as safetensors, atomically. @throws {SnapshotError} when the file cannot be written */
export async function saveScores(path: string, scores: Scores): Promise<void> {
  const shape = [scores.labels.length, scores.classNames.length]
  const tensors = new Map([
    ['logits', torch.tensor(scores.logits, { shape })],
    ['labels', torch.tensor(scores.labels)],
    ['ids', torch.tensor(scores.ids)],
    ...noveltyNames.flatMap((name): [string, Tensor][] => {
      const values = scores.novelty?.[name]
      return values === undefined ? [] : [[name, torch.tensor(values)]]
    }),
  ])
  const metadata = {
    class_names: JSON.stringify(scores.classNames),
    paths: JSON.stringify(scores.paths ?? null),
    ...(scores.ttaRuns === undefined ? {} : { tta_runs: String(scores.ttaRuns) }),
  }
  const temporary = `${path}.tmp`
  try {
    await ensureDir(dirname(path))
    await writeSafetensors(temporary, tensors, metadata)
    await rename(temporary, path)
    await syncDirectory(dirname(path))
  } catch (error) {
    throw writeError(error, path)
  } finally {
    for (const tensor of tensors.values()) tensor.dispose()
  }
}

/** @throws {SnapshotError} when the file is not one that `saveScores` wrote */
export async function loadScores(path: string): Promise<Scores> {
  const { tensors, metadata } = await readSafetensors(path)
  try {
    const values = (name: string) => tensors.get(name)?.data()
    const [logits, labels, ids] = [values('logits'), values('labels'), values('ids')]
    const { class_names: classNames, paths, tta_runs: ttaRuns } = metadata
    if (
      !(logits instanceof Float32Array && labels instanceof Int32Array && ids instanceof Int32Array) ||
      classNames === undefined
    ) {
      throw new SnapshotError(`${path}: expected logits, labels, ids and class_names, as an evaluation saves them.`)
    }
    const found = noveltyNames.flatMap((name): [NoveltyName, Float64Array][] => {
      const novel = values(name)
      return novel instanceof Float64Array ? [[name, novel]] : []
    })
    const files = JSON.parse(paths ?? 'null') as (string | null)[] | null
    const scores = {
      ...{ logits, labels, ids, classNames: JSON.parse(classNames) as string[] },
      ...(ttaRuns === undefined ? {} : { ttaRuns: Number(ttaRuns) }),
      ...(found.length === 0 ? {} : { novelty: Object.fromEntries(found) }),
    }
    return files ? { ...scores, paths: files.map((file) => file ?? undefined) } : scores
  } finally {
    for (const tensor of tensors.values()) tensor.dispose()
  }
}
