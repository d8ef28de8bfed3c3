import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { ConfigError } from '../../../src/util/errors.ts'
import { readYaml, readYamlFile } from '../../../src/config/read-yaml.ts'
import { originOf, toPlain } from '../../../src/config/tree.ts'

/** What readYaml complains about. */
function complaint(text: string): string {
  try {
    readYaml(text, 'x.yaml')
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error))
    return error.message
  }
  throw new assert.AssertionError({ message: `accepted: ${text.slice(0, 60)}` })
}

describe('reading YAML', () => {
  it('turns snake_case into camelCase and remembers the line of every key', () => {
    const tree = readYaml('seed: 1\n\ndata:\n  # a comment\n  image_size: 32\n', 'x.yaml')
    assert.equal(JSON.stringify(toPlain(tree)), '{"seed":1,"data":{"imageSize":32}}')
    assert.equal(originOf(tree, ['data', 'imageSize']), 'x.yaml:5')
    assert.equal(originOf(tree, ['data', 'missing']), 'x.yaml:3')
  })

  it('reads exponents without a dot as numbers and True as true', () => {
    assert.equal(
      JSON.stringify(toPlain(readYaml('a: 1e-4\nb: True\nc: "1e-4"', 'x'))),
      '{"a":0.0001,"b":true,"c":"1e-4"}',
    )
  })

  it('reads an empty file as no keys', () => {
    assert.equal(JSON.stringify(toPlain(readYaml('# nothing\n', 'x'))), '{}')
  })

  it('expands an alias', () => {
    const tree = readYaml(
      'supcon: {augmentations: &light {horizontal_flip: true}}\narcface: {augmentations: *light}',
      'x',
    )
    assert.match(JSON.stringify(toPlain(tree)), /"arcface":\{"augmentations":\{"horizontalFlip":true\}\}/)
  })

  const bad: readonly [what: string, text: string, expected: RegExp][] = [
    ['a syntax error', 'seed: 1\ndata: [1', /^x\.yaml:2: not valid YAML/],
    ['a key given twice', 'seed: 1\nseed: 2', /^x\.yaml:2: .*unique/],
    ['a key given in both spellings', 'batch_size: 1\nbatchSize: 2', /^x\.yaml:2: "batchSize" is given twice/],
    ['a list at the top', '- 1', /expected keys with values.*a list/],
    ['two documents', 'a: 1\n---\nb: 2', /second one/],
    ['a prototype key', 'a:\n  __proto__: {polluted: true}', /^x\.yaml:2: "__proto__" cannot be a key/],
    ['a constructor key', 'constructor: 1', /cannot be a key/],
    ['a list as key', '? [1]\n: 2', /plain word as key/],
    ['an unknown tag', 'a: !!js/function x', /tag/],
    ['an alias without anchor', 'a: *none', /none/],
    ['an alias to itself', 'a: &x [*x]', /nesting/],
    ['a megabyte of brackets', '['.repeat(1_000_000), /nesting/],
    ['brackets that overflow a stack', 'a: ' + '{b: '.repeat(50_000), /nesting/],
    [
      'deep indentation',
      Array.from({ length: 40 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
      /x\.yaml:3\d: .*nesting/,
    ],
    ['more than a megabyte', `# ${'x'.repeat(1_000_000)}`, /at most 1000000/],
    ['too many keys', Array.from({ length: 20_000 }, (_, i) => `k${i}: 1`).join('\n'), /at most 5000 values/],
    [
      'aliases that multiply',
      'a: &a [1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c]',
      /aliases/,
    ],
  ]
  for (const [what, text, expected] of bad) {
    it(`refuses ${what}`, () => assert.match(complaint(text), expected))
  }

  it('names a file that is missing, and a folder in its place', () => {
    const folder = mkdtempSync(join(tmpdir(), 'trivium-yaml-'))
    try {
      assert.throws(() => readYamlFile(join(folder, 'none.yaml')), /none\.yaml: no such file/)
      assert.throws(() => readYamlFile(folder), /got a folder/)
      writeFileSync(join(folder, 'large.yaml'), 'x'.repeat(1_000_001))
      assert.throws(() => readYamlFile(join(folder, 'large.yaml')), /got 1000001/)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
