import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { includeProblem } from './layers.ts'
import { filesBelow, includesOfProject, quotedIncludes, root, show, textOf } from './sources.ts'

describe('includes', () => {
  test('point down: core knows itself, the folders above know core, only addon.cc knows the bindings', () => {
    const edges = includesOfProject()
    assert.ok(edges.length > 100, `only ${edges.length} includes were found: the reader of this test is broken`)
    const offences = edges.flatMap((edge) => {
      const problem = includeProblem(edge)
      return problem === null ? [] : [`${show(edge)}: ${problem}`]
    })
    assert.deepEqual(offences, [])
  })

  test('name files that exist, from native/ on', () => {
    const lost = includesOfProject().filter((edge) => !existsSync(join(root, edge.to)))
    assert.deepEqual(lost.map(show), [])
  })

  test('only the bindings and addon.cc know Node-API', () => {
    const users = filesBelow('native', ['.h', '.cc']).filter((file) =>
      /#\s*include\s+<(napi|node_api|node|v8)\.h>/.test(textOf(file)),
    )
    assert.ok(users.length > 0, 'nobody includes <napi.h>: the reader of this test is broken')
    assert.deepEqual(
      users.filter((file) => !file.startsWith('native/bindings/') && file !== 'native/addon.cc'),
      [],
    )
  })

  const cases: readonly [name: string, from: string, to: string, problem: RegExp | null][] = [
    ['core is for everybody', 'native/nn/module.cc', 'native/core/error.h', null],
    ['core knows nobody', 'native/core/rng.cc', 'native/nn/module.h', /core may include itself/],
    ['siblings do not meet', 'native/optim/sgd.cc', 'native/nn/module.h', /optim may include itself, core/],
    ['export may use networks', 'native/export/trace.cc', 'native/nn/module.h', null],
    ['export may not use optimizers', 'native/export/trace.cc', 'native/optim/sgd.h', /export may include/],
    ['bindings may use all', 'native/bindings/modules.cc', 'native/export/trace.h', null],
    ['nobody includes bindings', 'native/dispatch/operator.cc', 'native/bindings/queue.h', /only addon\.cc/],
    ['tests of native code do not either', 'native/tests/rng_test.cc', 'native/bindings/queue.h', /only addon\.cc/],
    ['addon.cc includes bindings', 'native/addon.cc', 'native/bindings/register.h', null],
    ['a folder that no layer knows is refused', 'native/misc/a.h', 'native/core/rng.h', /belongs to no layer/],
  ]
  for (const [name, from, to, expected] of cases) {
    test(`layers › ${name}`, () => {
      const problem = includeProblem({ from, to })
      if (expected === null) assert.equal(problem, null)
      else assert.match(problem ?? 'no problem', expected)
    })
  }

  test('reader › takes quoted includes and leaves system headers and comments', () => {
    const text =
      '#include "core/rng.h"\n#include <vector>\n// #include "nn/module.h"\n  #  include "nn/registry.h"\n#include "b.h"\n'
    assert.deepEqual(quotedIncludes('native/x/a.cc', text), [
      { from: 'native/x/a.cc', to: 'native/core/rng.h' },
      { from: 'native/x/a.cc', to: 'native/nn/registry.h' },
      { from: 'native/x/a.cc', to: 'native/x/b.h' },
    ])
  })
})

describe('augmentation operations', () => {
  const native = [...textOf('native/augment/registry.cc').matchAll(/\{"([a-z_0-9]+)",\s*create_([a-z_0-9]+)\}/g)]
  const typescript = filesBelow('src/augment', ['.ts']).flatMap((file) =>
    [...textOf(file).matchAll(/\{\s*name: '([a-z_0-9]+)',\s*options\b/g)].map((match) => match[1]!),
  )

  test('are registered natively exactly where src/augment makes them', () => {
    assert.ok(native.length >= 5, 'the registry in native/augment/registry.cc was not found')
    assert.deepEqual([...new Set(typescript)].sort(), native.map((match) => match[1]!).sort())
  })

  test('are made by the factory of their name', () => {
    for (const [, name, factory] of native) assert.equal(factory, name)
  })

  test('are each named once', () => {
    assert.equal(new Set(native.map((match) => match[1])).size, native.length)
  })
})
