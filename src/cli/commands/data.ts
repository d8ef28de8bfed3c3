/** `run-pipeline data …`: what is done with data sets before a training. */
import { ConfigError } from '../../util/errors.ts'
import { systemCode } from '../../util/files.ts'
import { didYouMean } from '../../util/suggest.ts'
import type { Command, Invocation } from '../command.ts'
import { exitCodeOfSignal, handleInterrupts } from '../signals.ts'

const place = ['config', 'dataset', 'data', 'set']
/** The options that each takes, and whether it takes words. */
const verbs: Readonly<Record<string, { readonly options: readonly string[]; readonly words: boolean }>> = {
  prepare: { options: [...place, 'out'], words: false },
  inspect: { options: [...place, 'out', 'model'], words: false },
  split: { options: [...place, 'out', 'val', 'test', 'folds', 'seed'], words: false },
  download: { options: place, words: true },
  track: { options: [], words: true },
}

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
    check(invocation, verb, words)
    const { exitNow } = await import('../../binding/index.ts')
    const interrupts = handleInterrupts({
      announce: () => invocation.output.note('stopping … (again to stop at once)'),
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
        default:
          return await (await import('../data/track.ts')).track(call)
      }
    } catch (error) {
      const { received } = interrupts
      if (received === null || systemCode(error) !== null) throw error
      invocation.output.note(`data ${verb}: stopped by ${received}`)
      return exitCodeOfSignal(received)
    } finally {
      interrupts.dispose()
    }
  },
}

/** What a verb does not read is an error: `data inspect photos` would look at something else than photos. */
function check({ flags }: Invocation, verb: string | undefined, words: readonly string[]): void {
  const names = Object.keys(verbs)
  const known = verb !== undefined && Object.hasOwn(verbs, verb) ? verbs[verb] : undefined
  if (known === undefined)
    throw new ConfigError(
      `data: expected one of ${names.join(', ')} after it, got ${verb === undefined ? 'nothing' : `"${verb}"`}.${didYouMean(verb ?? '', names)}`,
    )
  if (!known.words && words.length > 0)
    throw new ConfigError(
      `data ${verb}: expected options only, got "${words.join(' ')}". A folder is named with --data, a kind of data set with --dataset.`,
    )
  const stray = Object.keys(dataCommand.flags).find(
    (name) =>
      !known.options.includes(name) &&
      (name === 'set' ? flags.repeated(name).length > 0 : flags.text(name) !== undefined),
  )
  if (stray !== undefined) {
    const takes = known.options.length === 0 ? 'no options' : known.options.map((name) => `--${name}`).join(', ')
    throw new ConfigError(`data ${verb}: it takes ${takes}, got --${stray}.`)
  }
}
