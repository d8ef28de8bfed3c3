/** Other people's checkpoints as files that timm, Trivium and the hub's tools read: safetensors under timm's names. */
import { torch } from '../binding/index.ts'
import { createModel } from './create.ts'
import type { Listening } from './create.ts'
import type { Model } from './model.ts'
import { loadPretrained, obtainWeights, tell, weightsSource } from './pretrained.ts'
import { saveSafetensors } from './weights.ts'
import { ConfigError } from '../util/errors.ts'
import { silentLogger } from '../util/logger.ts'

export interface ImportedWeights {
  /** rows of the checkpoint's classifier; 0: it has none */
  readonly numClasses: number
  readonly parameters: number
  /** pixels of the probe's sides */
  readonly imageSize: number
  /** logits of the probe, of a checkpoint without a classifier its pooled features */
  readonly probe: readonly number[]
}

/**
 * Reads weights as `pretrained` does, with the classifier that they have, and writes them to `output`. The probe is the answer to an image
 * [1, 3, S, S] with the values sin(0.37 i) of the flat index i, to be compared with the program that the weights come from.
 *
 * @param weights a file or `hf:<repository>[@<revision>]`
 * @throws {SnapshotError} when they cannot be read, do not fit the network, or cannot be written
 */
export async function importWeights(
  name: string,
  weights: string,
  output: string,
  listening: Listening & { readonly imageSize?: number | undefined } = {},
): Promise<ImportedWeights> {
  const { logger = silentLogger, progress, signal, imageSize } = listening
  const source = weightsSource(name, weights)
  if (source === null) throw new ConfigError(`${name}: expected weights to import, got none.`)
  const path = await obtainWeights(source, { logger, progress, signal })
  const make = (numClasses: number): Promise<Model> => createModel(name, { numClasses, imageSize })
  let numClasses = 0
  let model = await make(0)
  try {
    const report = await loadPretrained(model, path, (parts) => {
      numClasses = parts.get('weight')?.shape[0] ?? 0
      return Promise.resolve()
    })
    tell(report, logger)
    if (numClasses > 0) {
      model.dispose()
      model = await make(numClasses)
      await loadPretrained(model, path)
    }
    await torch.scope(() => saveSafetensors(output, model.stateDict(), { format: 'pt' }))
    const side = model.preprocessing.imageSize
    return { numClasses, parameters: model.parameterCount, imageSize: side, probe: await answer(model, side) }
  } finally {
    model.dispose()
  }
}

async function answer(model: Model, side: number): Promise<number[]> {
  model.eval()
  const values = Float32Array.from({ length: 3 * side * side }, (_, i) => Math.sin(0.37 * i))
  return torch.noGrad(() =>
    torch.scope(async () => (await model.forward(torch.tensor(values, { shape: [1, 3, side, side] }))).toArray()),
  )
}
