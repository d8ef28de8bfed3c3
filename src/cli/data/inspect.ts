/** `data inspect`: the data set doctor's findings as a summary, JSON and a page with pictures. */
import { basename, join, resolve } from 'node:path'
import {
  inspectDataset,
  inspectionReaders,
  inspectionSide,
  labelIssues,
  openParts,
  type Inspection,
  type InspectionReader,
  type LabelIssue,
} from '../../data/index.ts'
import { ensureDir, writeFileAtomic } from '../../util/files.ts'
import { exitCodes } from '../exit-codes.ts'
import { findModel } from '../find-model.ts'
import { dataOptions, withContext, type DataCall } from './call.ts'
import { facts, type SuspiciousLabel } from './facts.ts'
import { inspectionHtml } from './inspection-html.ts'

export async function inspect(call: DataCall): Promise<number> {
  const options = dataOptions(call)
  const name = options.dataset === 'digits' ? 'digits' : basename(resolve(options.manifest ?? options.directory))
  const out = call.flags.text('out') ?? join('data_inspection', name)
  return withContext(call, async (context) => {
    const { opened } = await openParts(options, context)
    const readers = inspectionReaders(opened, options, inspectionSide)
    const found = await inspectDataset(readers, context)
    const model = call.flags.text('model')
    const suspicious =
      model === undefined
        ? null
        : await suspects(model, found, (side, resizeTo) => inspectionReaders(opened, options, side, resizeTo), context)
    await ensureDir(out)
    const files = { json: join(out, 'inspection.json'), page: join(out, 'inspection.html') }
    const report = { ...found, suspiciousLabels: suspicious }
    await writeFileAtomic(files.json, `${JSON.stringify(report, null, 2)}\n`)
    await writeFileAtomic(files.page, await inspectionHtml(name, found, suspicious, readers))
    if (call.json) call.output.result(JSON.stringify({ ok: found.unreadable.length === 0, files, ...report }, null, 2))
    else call.output.result(summary(found, suspicious, files))
    return found.unreadable.length > 0 ? exitCodes.data : exitCodes.ok
  })
}

/** What a trained run thinks of every label. */
async function suspects(
  model: string,
  found: Inspection,
  readersAt: (side: number, resizeTo: number) => InspectionReader[],
  { signal, progress }: Parameters<typeof inspectDataset>[1],
): Promise<SuspiciousLabel[]> {
  const { openPredictor } = await import('../../predict/index.ts')
  const predictor = await openPredictor(findModel(model, '.'))
  const { imageSize, classNames, preprocessing } = predictor
  const { ConfigError } = await import('../../util/errors.ts')
  if (classNames.join('\n') !== found.classNames.join('\n'))
    throw new ConfigError(`--model: expected a run with the classes of this data set but it has ${classNames.slice(0, 5).join(', ')}, ….`)
  const size = imageSize * imageSize * 3
  const issues: SuspiciousLabel[] = []
  for (const reader of readersAt(imageSize, preprocessing.resizeTo)) {
    const indices: number[] = []
    const probabilities: (readonly number[])[] = []
    for (let start = 0; start < reader.labels.length; start += 32) {
      const batch = Array.from({ length: Math.min(32, reader.labels.length - start) }, (_, i) => start + i)
      const { pixels, failures } = await reader.read(batch, signal)
      const good = batch.filter((_, row) => failures[row] === null)
      const pictures = good.map((index) => pixels.slice((index - start) * size, (index - start + 1) * size))
      for (const prediction of pictures.length === 0 ? [] : await predictor.predict(pictures))
        probabilities.push(Array.from(prediction.probabilities))
      indices.push(...good)
      progress?.({ received: start + batch.length, total: reader.labels.length, label: `predicting ${reader.part}` })
    }
    const labels = indices.map((index) => reader.labels[index] as number)
    issues.push(...labelIssues(labels, probabilities).map((issue) => named(issue, reader, indices)))
  }
  return issues
}

function named(issue: LabelIssue, reader: InspectionReader, indices: readonly number[]): SuspiciousLabel {
  const index = indices[issue.index] as number
  return { ...issue, index, part: reader.part, name: reader.nameOf(index) }
}

function summary(found: Inspection, suspicious: readonly SuspiciousLabel[] | null, files: { json: string; page: string }): string {
  return [...facts(found, suspicious), ['table', files.json] as const, ['page', files.page] as const]
    .map(([what, value]) => `${what.padEnd(18)}  ${value}`)
    .join('\n')
}
