/** `run-pipeline data …`: what is done with data sets before a training. */
import { ConfigError } from '../../util/errors.ts'
import { didYouMean } from '../../util/suggest.ts'
import type { Command } from '../command.ts'
import { handleInterrupts } from '../signals.ts'

const verbs = ['prepare', 'inspect', 'split', 'download', 'track']

export const dataCommand: Command = {
  name: 'data',
  summary: 'Downloads, converts, inspects and splits data sets, and writes .dvc files for them.',
  usage: 'data <prepare | inspect | split | download | track> [word …]',
  flags: {
    config: { kind: 'text', alias: 'c', describe: 'YAML file whose `data` section is taken' },
    dataset: { kind: 'text', describe: 'the kind of data set: cifar10, imagefolder, manifest, parquet …' },
    data: { kind: 'text', describe: 'its folder; sets data.directory' },
    set: { kind: 'repeated', describe: 'one key of the configuration, repeatable: --set data.workers=4' },
    out: {
      kind: 'text',
      describe: 'prepare: folder (data/processed); inspect: folder (data_inspection/<name>); split: CSV file',
    },
    model: {
      kind: 'text',
      alias: 'm',
      value: 'run',
      describe: 'inspect: an exported run, which names suspicious labels',
    },
    val: { kind: 'number', minimum: 0, describe: 'split: share of the validation part (0.1)' },
    test: { kind: 'number', minimum: 0, describe: 'split: share of the test part (0.2)' },
    folds: { kind: 'whole', minimum: 2, describe: 'split: so many files, each with another part for validation' },
    seed: { kind: 'whole', minimum: 0, describe: 'split: seed (0)' },
  },
  takesWords: true,
  examples: [
    ['run-pipeline data download cifar10 mnist', 'into data/'],
    ['run-pipeline data prepare --dataset cifar10', 'data/processed/{train,test}/<class>/*.png'],
    ['run-pipeline data inspect --data photos', 'integrity, balance, duplicates, leaks; a page with pictures'],
    ['run-pipeline data split --data photos --folds 5 --out splits.csv', 'splits-fold-0.csv … for --dataset manifest'],
    ['run-pipeline data track data/raw', 'data/raw.dvc'],
  ],
  async run(invocation) {
    const [verb, ...words] = invocation.words
    const { exitNow } = await import('../../binding/index.ts')
    const interrupts = handleInterrupts({
      announce: (text) => invocation.output.note(text),
      restore: () => undefined,
      exitNow,
    })
    try {
      const call = { ...invocation, words, signal: interrupts.signal }
      switch (verb) {
        case 'prepare':
          return await (await import('../data/prepare.ts')).prepare(call)
        case 'inspect':
          return await (await import('../data/inspect.ts')).inspect(call)
        case 'split':
          return await (await import('../data/split.ts')).split(call)
        case 'download':
          return await (await import('../data/download.ts')).download(call)
        case 'track':
          return await (await import('../data/track.ts')).track(call)
        default:
          throw new ConfigError(
            `data: expected one of ${verbs.join(', ')} after it, got ${verb === undefined ? 'nothing' : `"${verb}"`}.${didYouMean(verb ?? '', verbs)}`,
          )
      }
    } finally {
      interrupts.dispose()
    }
  },
}
