/** `data track`: .dvc files. */
import { dirname, join } from 'node:path'
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
  const ignores = new Set(tracked.map(({ file }) => join(dirname(file), '.gitignore')))
  if (json) output.result(JSON.stringify({ ok: true, tracked }, null, 2))
  else output.result(`next: git add ${[...tracked.map(({ file }) => file), ...ignores].join(' ')}; dvc commit -f puts the files into DVC's cache`)
  return exitCodes.ok
}
