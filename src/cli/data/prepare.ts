/** `data prepare`: a data set as class folders of PNG files. */
import { openParts, writeClassFolders } from '../../data/index.ts'
import { ConfigError } from '../../util/errors.ts'
import { exitCodes } from '../exit-codes.ts'
import { dataOptions, withContext, type DataCall } from './call.ts'

export async function prepare(call: DataCall): Promise<number> {
  const options = dataOptions(call)
  const out = call.flags.text('out') ?? 'data/processed'
  return withContext(call, async (context) => {
    const { opened } = await openParts(options, context)
    if (opened.kind !== 'memory')
      throw new ConfigError(`data prepare: ${options.dataset} lies in picture files already. It is for cifar10, cifar100, mnist and the like.`)
    const { train, validation, test } = opened
    const parts = [
      { name: 'train', dataset: train },
      ...(validation === null ? [] : [{ name: 'val', dataset: validation }]),
      ...(test === null ? [] : [{ name: 'test', dataset: test }]),
    ]
    const count = await writeClassFolders(parts, out, context)
    if (call.json) call.output.result(JSON.stringify({ ok: true, out, pictures: count, classes: train.classNames }, null, 2))
    else {
      call.output.result(`${count} pictures of ${train.classNames.length} classes in ${out}/{${parts.map(({ name }) => name).join(',')}}`)
      call.output.result(`next: npx run-pipeline --data ${out} --set data.image_size=${train.height}`)
    }
    return exitCodes.ok
  })
}
