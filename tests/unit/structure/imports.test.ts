import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import ts from 'typescript'
import { importProblem, layers } from './layers.ts'
import { filesBelow, folderOf, importsOfProject, relativeImports, root, show, textOf, type Edge } from './sources.ts'

describe('imports', () => {
  test('point down: a layer imports only lower ones, and siblings only where it is agreed', () => {
    const edges = importsOfProject()
    assert.ok(edges.length > 100, `only ${edges.length} imports were found: the reader of this test is broken`)
    const offences = edges.flatMap((edge) => {
      const problem = importProblem(edge)
      return problem === null ? [] : [`${show(edge)}: ${problem}`]
    })
    assert.deepEqual(offences, [])
  })

  test('name files that exist, with the .ts ending', () => {
    const lost = importsOfProject().filter((edge) => edge.to.startsWith('src/') && !existsSync(join(root, edge.to)))
    assert.deepEqual(lost.map(show), [])
  })

  const cases: readonly [name: string, from: string, to: string, problem: RegExp | null][] = [
    ['a lower layer is fine', 'src/phases/supcon.ts', 'src/losses/index.ts', null],
    ['the same folder is fine', 'src/losses/kd.ts', 'src/losses/supcon.ts', null],
    ['data → augment is the agreed edge between siblings', 'src/data/loader.ts', 'src/augment/index.ts', null],
    ['augment → data is not', 'src/augment/plan.ts', 'src/data/index.ts', /siblings/],
    ['siblings do not meet', 'src/predict/onnx.ts', 'src/data/index.ts', /siblings/],
    ['an arrow up is named', 'src/losses/kd.ts', 'src/train/index.ts', /train lies above losses/],
    ['only the command line reads configurations', 'src/phases/train.ts', 'src/config/index.ts', /config lies above/],
    ['the inside of another folder is private', 'src/train/loop.ts', 'src/data/loader.ts', /public surface of data/],
    ['files of util are taken one by one', 'src/train/loop.ts', 'src/util/errors.ts', null],
    ['names and option schemas of phases too', 'src/config/schema.ts', 'src/phases/options/arcface.ts', null],
    ['the phases themselves not', 'src/cli/plan.ts', 'src/phases/distill.ts', /public surface of phases/],
    ['the library does not reach for the command line', 'src/index.ts', 'src/cli/main.ts', /command line/],
    ['nothing leaves src', 'src/util/a.ts', 'tests/a.ts', /leaves src/],
    ['a folder that no layer knows is refused', 'src/misc/a.ts', 'src/util/errors.ts', /belongs to no layer/],
  ]
  for (const [name, from, to, expected] of cases) {
    test(`layers › ${name}`, () => {
      const problem = importProblem({ from, to })
      if (expected === null) assert.equal(problem, null)
      else assert.match(problem ?? 'no problem', expected)
    })
  }

  test('reader › sees every way to import, and no import in comments and strings', () => {
    const text = [
      "import { a } from '../a/index.ts'",
      "import type { B } from '../b/index.ts'",
      "export * from '../c/index.ts'",
      "const d = await import('../d/index.ts')",
      "// import { e } from '../e/index.ts'",
      'const f = "import { f } from \'../f/index.ts\'"',
      "import { join } from 'node:path'",
    ].join('\n')
    const expected: Edge[] = ['a', 'b', 'c', 'd'].map((x) => ({ from: 'src/x/y.ts', to: `src/${x}/index.ts` }))
    assert.deepEqual(relativeImports('src/x/y.ts', text), expected)
  })
})

describe('folders of src', () => {
  const folders = [...new Set(filesBelow('src', ['.ts']).map(folderOf))].filter((name) => name !== '')

  test('each belongs to a layer', () => {
    assert.deepEqual(
      folders.filter((name) => !layers.flat().includes(name)),
      [],
    )
  })

  test('each has its public surface in index.ts', () => {
    // The command line is started, not imported.
    const lacking = folders.filter((name) => name !== 'cli' && !existsSync(join(root, 'src', name, 'index.ts')))
    assert.deepEqual(lacking, [])
  })

  test('each sub-path of the package leads to a source file', () => {
    const { exports } = JSON.parse(textOf('package.json')) as { exports: Record<string, string | { default: string }> }
    const targets = Object.values(exports).flatMap((target) => (typeof target === 'string' ? [] : [target.default]))
    const sources = targets.map((target) => target.replace('./dist/', 'src/').replace(/\.js$/, '.ts'))
    assert.ok(sources.length >= 8)
    assert.deepEqual(
      sources.filter((file) => !existsSync(join(root, file))),
      [],
    )
  })
})

describe('what only one folder does', () => {
  /** Files of src/ with a node that `matches`. */
  const filesWith = (matches: (node: ts.Node) => boolean): string[] => {
    const holds = (node: ts.Node): boolean => matches(node) || (ts.forEachChild(node, holds) ?? false)
    return filesBelow('src', ['.ts']).filter((file) =>
      holds(ts.createSourceFile(file, textOf(file), ts.ScriptTarget.Latest)),
    )
  }

  test('only src/binding loads the addon, and in one file', () => {
    const loaders = filesWith(
      (node) =>
        (ts.isPropertyAccessExpression(node) && node.name.text === 'dlopen') ||
        (ts.isStringLiteral(node) && node.text.endsWith('.node')),
    )
    assert.deepEqual(loaders, ['src/binding/native.ts'])
  })

  test('only src/cli writes to the console', () => {
    const writers = filesWith(
      (node) =>
        ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === 'console',
    )
    assert.deepEqual(
      writers.filter((file) => !file.startsWith('src/cli/')),
      [],
    )
  })
})
