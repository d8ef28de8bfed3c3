/** augment-preview as a user runs it: a process of its own. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'
import { packageFile } from '../../src/util/package-root.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-preview-'))
after(() => rmSync(root, { recursive: true, force: true }))

const program = ['--import', fileURLToPath(import.meta.resolve('tsx')), packageFile('src/cli/main.ts')]
const preview = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
  spawnSync(process.execPath, [...program, 'augment-preview', ...args], {
    cwd: root,
    encoding: 'utf8',
    timeout: 300_000,
  })

test('augment-preview › a sheet of the asked phase, the same again, another one for another epoch', async () => {
  writeFileSync(
    join(root, 'my.yaml'),
    'data: { dataset: digits }\narcface: { augmentations: { rotation: { degrees: 40 } } }\n',
  )
  const asked = ['--config', 'my.yaml', '--phase', 'arcface', '--count', '3', '--views', '2']
  const sheets: Buffer[] = []
  for (const [file, ...more] of [['a.png'], ['b.png'], ['c.png', '--epoch', '1']] as [string, ...string[]][]) {
    const { status, stderr } = preview(...asked, '--output', file, ...more)
    assert.equal(status, 0, stderr)
    sheets.push(readFileSync(join(root, file)))
  }
  const pixels = await Promise.all(sheets.map((sheet) => sharp(sheet).raw().toBuffer()))
  assert.deepEqual(pixels[0], pixels[1])
  assert.notDeepEqual(pixels[0], pixels[2])
})

test('augment-preview › only to a PNG, of a phase that exists, with operations that exist', () => {
  const cases: [string[], RegExp][] = [
    [['--output', 'x.jpg'], /--output: expected a file that ends in \.png, got "x\.jpg"/],
    [['--phase', 'arcfacee'], /--phase: expected one of .*"arcfacee"/],
    [['--set', 'train.augmentations.rotaton=3'], /rotaton.*Did you mean "rotation"\?/],
  ]
  const before = readdirSync(root)
  for (const [args, message] of cases) {
    const { status, stderr } = preview(...args)
    assert.equal(status, 2, stderr)
    assert.match(stderr, message)
  }
  assert.deepEqual(readdirSync(root), before)
})
