import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'
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
    // others may read it, as any folder that is made
    await mkdir(join(root, 'plain'))
    assert.equal((await stat(out)).mode, (await stat(join(root, 'plain'))).mode)
    const tracked = await data('track', out, '--json')
    assert.match(
      (JSON.parse(tracked.stdout) as { tracked: { md5: string }[] }).tracked[0]?.md5 ?? '',
      /^[0-9a-f]{32}\.dir$/,
    )
    assert.match(await readFile(`${out}.dvc`, 'utf8'), /nfiles: 14\n/)
  })

  test('prepare writes pictures of MNIST’s format at their own size, and says where it cannot write', async () => {
    const pixels = Buffer.alloc(4 * 28 * 28, 9)
    const head = (...sizes: number[]): Buffer => {
      const bytes = Buffer.alloc(4 + 4 * sizes.length)
      bytes.set([0, 0, 8, sizes.length])
      sizes.forEach((size, i) => bytes.writeUInt32BE(size, 4 + 4 * i))
      return bytes
    }
    const set = join(root, 'set')
    await put(join(set, 'train-images-idx3-ubyte'), Buffer.concat([head(4, 28, 28), pixels]))
    await put(join(set, 'train-labels-idx1-ubyte'), Buffer.concat([head(4), Buffer.from([0, 1, 0, 1])]))
    const out = join(root, 'out')
    const { stdout } = await data('prepare', '--dataset', 'idx', '--data', set, '--out', out)
    assert.match(stdout, /data\.image_size=28/)
    const { width, height } = await sharp(join(out, 'train', '0', '00000.png')).metadata()
    assert.deepEqual([width, height], [28, 28])
    const file = join(root, 'file')
    await writeFile(file, '')
    for (const place of [file, join(file, 'below')]) {
      const { code, stderr } = await data('prepare', '--dataset', 'idx', '--data', set, '--out', place)
      assert.notEqual(code, 0)
      assert.match(stderr, /cannot write .*file/)
      assert.doesNotMatch(stderr, /defect/)
    }
  })

  test('download goes where --set or the configuration says', async () => {
    const here = ['--set', `data.directory=${join(root, 'there')}`]
    await mkdir(join(root, 'there', 'mnist'), { recursive: true })
    await (fixtures['idx'] as (root: string) => Promise<unknown>)(join(root, 'there', 'mnist'))
    await writeFile(join(root, 'my.yaml'), `data: { dataset: mnist, directory: ${join(root, 'there')} }\n`)
    for (const args of [
      ['mnist', ...here],
      ['--config', join(root, 'my.yaml')],
    ]) {
      const { code, stdout, stderr } = await data('download', ...args, '--json')
      assert.equal(code, 0, stderr)
      const { datasets } = JSON.parse(stdout) as { datasets: { directory: string }[] }
      assert.equal(datasets[0]?.directory, join(root, 'there'))
    }
  })

  test('Ctrl-C ends prepare with the code of the signal, and nothing is left', { timeout: 120_000 }, async () => {
    const out = join(root, 'processed')
    const child = spawn(process.execPath, ['--import', 'tsx', main, 'data', 'prepare', '--out', out], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let stderr = ''
    child.stderr.on('data', (text) => (stderr += String(text)))
    const ended = new Promise<number | null>((resolve) => child.on('exit', resolve))
    const begun = async (): Promise<boolean> => (await readdir(root)).some((name) => name.startsWith('.processed-'))
    while (!(await begun()) && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 1))
    child.kill('SIGINT')
    assert.equal(await ended, 130, stderr)
    assert.match(stderr, /data prepare: stopped by SIGINT/)
    assert.doesNotMatch(stderr, /defect/)
    assert.deepEqual(await readdir(root), [])
  })

  test('what is not known is named', async () => {
    const cases: [string[], RegExp][] = [
      [[], /expected one of prepare, inspect, split, download, track after it, got nothing/],
      [['inspct'], /Did you mean "inspect"/],
      [['download', 'cifar11'], /Did you mean "cifar10"/],
      [['track'], /expected files or folders after it/],
      [['split', '--val', '0.6', '--test', '0.5'], /below 1/],
      [['split', '--val', '0.1', '--folds', '3'], /each fold in turn is the validation part/],
      [['inspect', 'photos'], /expected options only, got "photos"\. A folder is named with --data/],
      [['prepare', '--folds', '3'], /it takes --config, .*, --out, got --folds/],
      [['track', 'x', '--set', 'seed=1'], /it takes no options, got --set/],
      [['download'], /got ""/],
    ]
    for (const [args, pattern] of cases) {
      const { code, stderr } = await data(...args)
      assert.equal(code, 2, stderr)
      assert.match(stderr, pattern)
    }
  })
})
