import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { dataOptionsSchema, openDataset } from '../../../src/data/index.ts'
import { silentLogger } from '../../../src/util/logger.ts'
import { fixtures, put } from '../../support/dataset-fixtures.ts'

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'trivium-cli-data-'))
})
afterEach(() => rm(root, { recursive: true }))

const main = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url))
function data(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, ['--import', 'tsx', main, 'data', ...args], (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr })
    })
  })
}
const fixture = (name: string): Promise<unknown> =>
  (fixtures[name] as (root: string) => Promise<unknown>)(join(root, 'set'))

describe('run-pipeline data', () => {
  test('split writes tables that a run reads, each picture tested once over the folds', async () => {
    await fixture('imagefolder')
    const out = join(root, 'splits.csv')
    const { code, stdout } = await data('split', '--data', join(root, 'set'), '--folds', '2', '--out', out, '--json')
    assert.equal(code, 0)
    const { files } = JSON.parse(stdout) as { files: string[] }
    assert.deepEqual(files, [join(root, 'splits-fold-0.csv'), join(root, 'splits-fold-1.csv')])
    const held: string[] = []
    for (const manifest of files) {
      const options = dataOptionsSchema.parse({ dataset: 'manifest', manifest, imageSize: 6, cache: 'off' })
      const { validation, train, test: tested } = await openDataset(options, { seed: 0, logger: silentLogger })
      assert.deepEqual([train.length, validation?.length, tested.length], [4, 4, 2])
      for (let i = 0; i < 4; i++) held.push(validation?.at(i).path as string)
    }
    assert.equal(new Set(held).size, 8)
  })

  test('inspect writes a page without scripts, names in it are escaped, and a bad file is exit code 3', async () => {
    await fixture('imagefolder')
    await put(join(root, 'set', 'cat', '<b>bad & "x".png'), 'no picture')
    const out = join(root, 'out')
    const { code, stdout } = await data('inspect', '--data', join(root, 'set'), '--out', out)
    assert.equal(code, 3)
    assert.match(stdout, /unreadable +1\n/)
    const page = await readFile(join(out, 'inspection.html'), 'utf8')
    assert.ok(page.includes('&lt;b&gt;bad &amp;') && !page.includes('<b>') && !page.includes('<script'))
    assert.match(page, /default-src 'none'/)
    const report = JSON.parse(await readFile(join(out, 'inspection.json'), 'utf8')) as { unreadable: unknown[] }
    assert.equal(report.unreadable.length, 1)
  })

  test('prepare makes class folders, track their .dvc file', async () => {
    await fixture('idx')
    const out = join(root, 'processed')
    const made = await data('prepare', '--dataset', 'idx', '--data', join(root, 'set'), '--out', out)
    assert.deepEqual([made.code, made.stderr.includes('error')], [0, false])
    assert.deepEqual((await readdir(out)).sort(), ['test', 'train'])
    assert.equal((await readdir(join(out, 'train', '1'))).length, 5)
    const tracked = await data('track', out, '--json')
    assert.match(
      (JSON.parse(tracked.stdout) as { tracked: { md5: string }[] }).tracked[0]?.md5 ?? '',
      /^[0-9a-f]{32}\.dir$/,
    )
    assert.match(await readFile(`${out}.dvc`, 'utf8'), /nfiles: 14\n/)
  })

  test('what is not known is named', async () => {
    const cases: [string[], RegExp][] = [
      [[], /expected one of prepare, inspect, split, download, track after it, got nothing/],
      [['inspct'], /Did you mean "inspect"/],
      [['download', 'cifar11'], /Did you mean "cifar10"/],
      [['track'], /expected files or folders after it/],
      [['split', '--val', '0.6', '--test', '0.5'], /below 1/],
    ]
    for (const [args, pattern] of cases) {
      const { code, stderr } = await data(...args)
      assert.equal(code, 2, stderr)
      assert.match(stderr, pattern)
    }
  })
})
