/** `run-pipeline predict`: class and confidence of new images, from the exported model. */

import type { Command, Invocation } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { dropFolder, findImages } from '../find-images.ts'
import { findModel } from '../find-model.ts'
import { table } from '../table.ts'
import { ConfigError, DatasetError } from '../../util/errors.ts'

/** Images decoded and predicted together. */
const BATCH = 32

interface Row {
  readonly file: string
  readonly label?: string
  readonly confidence?: number
  readonly top?: { label: string; confidence: number }[]
  readonly error?: string
}

export const predictCommand: Command = {
  name: 'predict',
  summary: 'Prints class and confidence of new images, with exactly the preprocessing of the training.',
  usage: 'predict --model <run | model.onnx> [image-or-folder…]',
  flags: {
    model: { kind: 'text', alias: 'm', value: 'run', describe: 'name of a run, its folder, or an exported .onnx file' },
    top_k: { kind: 'whole', minimum: 1, describe: 'how many classes to print for each image (default 1)' },
    directory: { kind: 'text', describe: 'folder that holds snapshots/ (default: the working directory)' },
  },
  takesWords: true,
  examples: [
    ['run-pipeline predict --model digits photo.jpg', 'one image'],
    [`run-pipeline predict --model digits`, `everything in ${dropFolder}/`],
    ['run-pipeline predict --model model.onnx --top-k 3 --json photos/', 'as data'],
  ],
  run: predict,
}

async function predict({ flags, words, output, json, quiet }: Invocation): Promise<number> {
  const model = flags.text('model')
  if (model === undefined) throw new ConfigError('--model: expected the name of a run or an .onnx file, got nothing.')
  const found = findModel(model, flags.text('directory') ?? '.')
  const files = findImages(words)
  const { openPredictor } = await import('../../predict/index.ts')
  const { loadImage } = await import('../../data/index.ts')
  const predictor = await openPredictor(found)
  const { path } = predictor
  const wanted = Math.min(flags.number('top_k') ?? 1, predictor.classNames.length)
  if (!quiet) {
    output.note(`model: ${path}`)
    output.note(
      `note: the model knows ${predictor.classNames.length} classes and answers with one of them for every image, also for one that shows something else.`,
    )
  }

  const { imageSize, preprocessing } = predictor
  const { resizeTo, interpolation } = preprocessing
  const load = (file: string): Promise<Uint8Array> =>
    loadImage(file, { resizeTo, cropTo: imageSize, interpolation, maxPixels: MAX_PIXELS })
  const rows: Row[] = []
  for (let start = 0; start < files.length && output.open; start += BATCH) {
    const names = files.slice(start, start + BATCH)
    const loaded = await Promise.allSettled(names.map(load))
    const good = loaded.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
    const predictions = good.length === 0 ? [] : await predictor.predict(good)
    let next = 0
    const batch = loaded.map((result, index): Row => {
      const file = names[index] as string
      if (result.status === 'rejected') return { file, error: messageOfImage(result.reason) }
      const { label, confidence, probabilities } = predictions[next++] as (typeof predictions)[number]
      return { file, label, confidence, top: best(probabilities, predictor.classNames, wanted) }
    })
    rows.push(...batch)
    for (const { error } of batch) if (error !== undefined) output.note(`unreadable: ${error}`)
    if (!json) printRows(batch, output)
  }
  const unreadable = rows.filter(({ error }) => error !== undefined).length
  const code = unreadable > 0 ? exitCodes.data : exitCodes.ok
  if (json)
    output.result(
      JSON.stringify({ ok: unreadable === 0, exit_code: code, model: path, unreadable, predictions: rows }, null, 2),
    )
  if (unreadable > 0) output.note(`${unreadable} of ${rows.length} images could not be read.`)
  return code
}

/** The default limit of data.max_pixels: decompression bombs are refused unread. */
const MAX_PIXELS = 64e6

function printRows(rows: readonly Row[], output: Invocation['output']): void {
  const lines = rows
    .filter(({ error }) => error === undefined)
    .map(({ file, top = [] }) => [
      file,
      ...top.flatMap(({ label, confidence }) => [label, `${(100 * confidence).toFixed(1)}%`]),
    ])
  if (lines.length > 0) output.result(table([], lines))
}

function best(
  probabilities: Float32Array,
  names: readonly string[],
  count: number,
): { label: string; confidence: number }[] {
  return [...probabilities]
    .map((confidence, index) => ({ label: names[index] ?? String(index), confidence }))
    .sort((a, b) => b.confidence - a.confidence)
    .slice(0, count)
}

/** Only a picture may be at fault here: a missing addon is no reason to call every picture unreadable. */
function messageOfImage(error: unknown): string {
  if (error instanceof DatasetError) return error.message
  throw error
}
