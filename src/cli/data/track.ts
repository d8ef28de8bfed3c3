/** `data track`: .dvc files. */
import { trackWithDvc, type Tracked } from '../../data/index.ts'
import { ConfigError } from '../../util/errors.ts'
import { exitCodes } from '../exit-codes.ts'
import type { DataCall } from './call.ts'

export async function track({ words, output, json, signal }: DataCall): Promise<number> {
  if (words.length === 0) throw new ConfigError('data track: expected files or folders after it, such as data/raw, got nothing.')
  const tracked: Tracked[] = []
  for (const path of words) {
    const one = await trackWithDvc(path, signal)
    tracked.push(one)
    if (!json) output.result(`${one.file}: md5 ${one.md5}, ${one.files === null ? '' : `${one.files} files, `}${one.size} bytes`)
  }
  if (json) output.result(JSON.stringify({ ok: true, tracked }, null, 2))
  else output.result(`next: git add ${tracked.map(({ file }) => file).join(' ')} .gitignore; dvc commit -f puts the files into DVC's cache`)
  return exitCodes.ok
}
