/** Obtains two files of one set from a server and prints what they hold. Arguments: address folder sha256-of-a sha256-of-b size */
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { obtain } from '../../src/data/obtain.ts'
import { silentLogger } from '../../src/util/logger.ts'

const [address = '', directory = '', a = '', b = '', size = '0'] = process.argv.slice(2)
const file = (
  name: string,
  value: string,
): { url: string; digest: { kind: 'sha256'; value: string }; size: number; label: string } => ({
  ...{ url: `${address}/${name}`, digest: { kind: 'sha256', value } },
  ...{ size: Number(size), label: name },
})
const whole = async (name: string): Promise<boolean> =>
  (await stat(join(directory, 'two', name)).catch(() => null)) !== null
await obtain(
  {
    ...{ title: 'Two files', folder: 'two', alternative: null },
    remote: { kind: 'files', files: [file('a.gz', a), file('b.gz', b)] },
    find: async () => ((await whole('a.gz')) && (await whole('b.gz')) ? 'there' : null),
  },
  directory,
  { logger: silentLogger, download: true, retrySeconds: 0.01 },
)
const bytes = await Promise.all(['a.gz', 'b.gz'].map((name) => readFile(join(directory, 'two', name))))
process.stdout.write(String(bytes.reduce((sum, one) => sum + one.length, 0)))
