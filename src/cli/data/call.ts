/** What the verbs of `data` have in common: the data set that the flags name, progress, messages. */
import { resolveConfig } from '../../config/index.ts'
import type { DataOptions, OpenContext } from '../../data/index.ts'
import { withDownloads } from '../../phases/index.ts'
import { createLogger } from '../../util/logger.ts'
import type { Invocation } from '../command.ts'
import { wantsColor } from '../output.ts'
import { createProgress } from '../progress.ts'

export interface DataCall extends Invocation {
  readonly signal: AbortSignal
}

/** The `data` section of the configuration that the flags name. @param dataset instead of --dataset */
export function dataOptions({ flags }: DataCall, dataset: string | undefined = flags.text('dataset')): DataOptions {
  const resolved = resolveConfig({
    config: flags.text('config'),
    dataset,
    data: flags.text('data'),
    set: flags.repeated('set'),
  })
  // The packaged recipe's size is what it trains at; pictures are looked at and written as they are stored.
  const { config, file } = resolved
  const borrowed = flags.text('config') === undefined && resolved.origin(['data', 'imageSize'])?.startsWith(file) === true
  return borrowed && idxSets.includes(config.data.dataset) ? { ...config.data, imageSize: undefined } : config.data
}

const idxSets: readonly string[] = ['mnist', 'fashion_mnist', 'idx']

/** Runs `work` with a context whose progress is shown. */
export async function withContext<T>(call: DataCall, work: (context: OpenContext) => Promise<T>): Promise<T> {
  const progress = createProgress({ quiet: call.quiet })
  const logger = createLogger({
    write: (text) => progress.write(text),
    color: wantsColor(process.stderr),
    level: 'info',
    consoleLevel: call.quiet ? 'warn' : 'info',
  })
  try {
    return await withDownloads(progress, (report) =>
      work({ seed: call.flags.number('seed') ?? 0, logger, signal: call.signal, progress: report }),
    )
  } finally {
    progress.restore()
  }
}
