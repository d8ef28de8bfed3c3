/** `data split`: a stratified split of a folder of pictures as a table, which `dataset: manifest` reads. */
import { dirname, relative, resolve } from 'node:path'
import { openParts, stratifiedFolds, stratifiedSplit } from '../../data/index.ts'
import { csvLine } from '../../util/csv.ts'
import { ConfigError } from '../../util/errors.ts'
import { writeFileAtomic } from '../../util/files.ts'
import { exitCodes } from '../exit-codes.ts'
import { table } from '../table.ts'
import { dataOptions, withContext, type DataCall } from './call.ts'

type Part = 'train' | 'val' | 'test'

export async function split(call: DataCall): Promise<number> {
  const { flags, output } = call
  const options = dataOptions(call)
  const out = flags.text('out') ?? 'splits.csv'
  const test = flags.number('test') ?? 0.2
  const validation = flags.number('val') ?? 0.1
  const folds = flags.number('folds') ?? 1
  if (folds > 1 && flags.text('val') !== undefined)
    throw new ConfigError('--val: with --folds, each fold in turn is the validation part. Leave one of them out.')
  if (!(test + validation < 1)) throw new ConfigError(`data split: expected --val + --test below 1 but got ${test + validation}.`)
  if (!/\.csv$/i.test(out)) throw new ConfigError(`--out: expected a .csv file but got "${out}".`)
  return withContext(call, async (context) => {
    const { opened } = await openParts(options, context)
    if (opened.kind !== 'pictures' || options.dataset === 'parquet' || options.dataset === 'webdataset')
      throw new ConfigError(`data split: ${options.dataset} is no set of picture files. data.folds and data.validation_fraction split it in a run.`)
    const { train, test: ownTest } = opened
    if (ownTest !== null || opened.validation !== null)
      context.logger.warn(`${options.directory}: it has parts of its own; only its training part is divided`)
    const { labels, classNames } = train
    // The same two draws as a run's: data.seed and the next one.
    const { first, second } = stratifiedSplit(labels, test, context.seed)
    const rest = first.map((index) => labels[index] as number)
    const held =
      folds > 1 ? stratifiedFolds(rest, folds, context.seed + 1) : [stratifiedSplit(rest, validation, context.seed + 1).second]
    const files: string[] = []
    const counts: string[][] = []
    for (const [fold, places] of held.entries()) {
      const part: Part[] = Array.from(labels, () => 'train')
      for (const index of second) part[index] = 'test'
      for (const place of places) part[first[place] as number] = 'val'
      const file = folds > 1 ? out.replace(/\.csv$/i, `-fold-${fold}.csv`) : out
      const rows = Array.from(labels, (label, index) =>
        csvLine([relative(dirname(resolve(file)), resolve(train.nameOf(index))), classNames[label], part[index]]),
      )
      await writeFileAtomic(file, csvLine(['path', 'label', 'split']) + rows.join(''))
      files.push(file)
      counts.push([file, ...(['train', 'val', 'test'] as const).map((name) => String(part.filter((one) => one === name).length))])
    }
    if (call.json) output.result(JSON.stringify({ ok: true, files, classes: classNames }, null, 2))
    else {
      output.result(table(['file', 'train', 'val', 'test'], counts))
      output.result(`next: npx run-pipeline --dataset manifest --set data.manifest=${files[0]}`)
    }
    return exitCodes.ok
  })
}
