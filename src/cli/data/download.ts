/** `data download`: published data sets, verified, before a machine loses its network. */
import { datasetNames, openParts } from '../../data/index.ts'
import { ConfigError } from '../../util/errors.ts'
import { didYouMean } from '../../util/suggest.ts'
import { exitCodes } from '../exit-codes.ts'
import { dataOptions, withContext, type DataCall } from './call.ts'

const published = datasetNames.filter((name) => ['cifar10', 'cifar100', 'mnist', 'fashion_mnist'].includes(name))

export async function download(call: DataCall): Promise<number> {
  const named = ['config', 'dataset'].some((flag) => call.flags.text(flag) !== undefined) || call.flags.repeated('set').length > 0
  const asked = call.words.length > 0 ? call.words : [named ? dataOptions(call).dataset : '']
  const names = asked.map((word) => {
    const name = published.find((one) => one === word)
    if (name === undefined)
      throw new ConfigError(`data download: expected some of ${published.join(', ')}, got "${word}".${didYouMean(word, published)}`)
    return name
  })
  const found: { dataset: string; directory: string; train: number; test: number }[] = []
  for (const dataset of names) {
    const options = { ...dataOptions(call, dataset), download: true }
    const { directory } = options
    const { opened } = await withContext(call, (context) => openParts(options, context))
    if (opened.kind !== 'memory') continue
    found.push({ dataset, directory, train: opened.train.length, test: opened.test?.length ?? 0 })
    if (!call.json) call.output.result(`${dataset}: ${opened.train.length} training and ${opened.test?.length ?? 0} test pictures below ${directory}`)
  }
  if (call.json) call.output.result(JSON.stringify({ ok: true, datasets: found }, null, 2))
  return exitCodes.ok
}
