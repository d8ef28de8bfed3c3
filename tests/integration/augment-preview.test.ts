/** augment-preview as a user runs it: a process of its own. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import sharp from 'sharp'
import { runProgram, type Ended } from '../support/run-program.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-preview-'))
after(() => rmSync(root, { recursive: true, force: true }))

const preview = (...args: string[]): Promise<Ended> => runProgram(root, ['augment-preview', ...args])

test('augment-preview › a sheet of the asked phase, the same again, another one for another epoch', async () => {
  writeFileSync(
    join(root, 'my.yaml'),
    'data: { dataset: digits }\narcface: { augmentations: { rotation: { degrees: 40 } } }\n',
  )
  const asked = ['--config', 'my.yaml', '--phase', 'arcface', '--count', '3', '--views', '2']
  const sheets: Buffer[] = []
  for (const [file, ...more] of [['a.png'], ['b.png'], ['c.png', '--epoch', '1']] as [string, ...string[]][]) {
    const { code, stderr } = await preview(...asked, '--output', file, ...more)
    assert.equal(code, 0, stderr)
    sheets.push(readFileSync(join(root, file)))
  }
  const pixels = await Promise.all(sheets.map((sheet) => sharp(sheet).raw().toBuffer()))
  assert.deepEqual(pixels[0], pixels[1])
  assert.notDeepEqual(pixels[0], pixels[2])
})

test('augment-preview › only to a PNG, of a phase that exists, with operations that exist', async () => {
  const cases: [string[], RegExp][] = [
    [['--output', 'x.jpg'], /--output: expected a file that ends in \.png, got "x\.jpg"/],
    [['--phase', 'arcfacee'], /--phase: expected one of .*"arcfacee"/],
    [['--set', 'train.augmentations.rotaton=3'], /rotaton.*Did you mean "rotation"\?/],
  ]
  const before = readdirSync(root)
  for (const [args, message] of cases) {
    const { code, stderr } = await preview(...args)
    assert.equal(code, 2, stderr)
    assert.match(stderr, message)
  }
  assert.deepEqual(readdirSync(root), before)
})
