import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Tensor } from '../../../src/binding/index.ts'
import { BindingError, ShapeError, torch } from '../../../src/binding/index.ts'

describe('operators', () => {
  test('call reaches an operator by its full name, with keyword arguments', () => {
    const a = torch.tensor([1, 2])
    const b = torch.tensor([10, 20])
    const sum = torch.call('aten::add.Tensor', a, b, { alpha: 2 }) as Tensor
    assert.deepEqual(sum.toArray(), [21, 42])
  })

  test('returns several results as a list', () => {
    const [values, indices] = torch.ops.maxDim(torch.tensor([1, 5, 3, 9, 2, 0], { shape: [2, 3] }), 1)
    assert.deepEqual(values.toArray(), [5, 9])
    assert.deepEqual(indices.toArray(), [1, 0])
  })

  test('keeps the element type of a float tensor that meets a whole number', () => {
    assert.equal(torch.ops.mul(torch.tensor([1.5]), 2).dtype, 'float32')
    assert.equal(torch.ops.add(torch.tensor([1n === 1n ? 1 : 0], { dtype: 'int64' }), 2).dtype, 'int64')
  })

  test('an unknown name lists the overloads that exist', () => {
    assert.throws(
      () => torch.call('aten::add.Nonsense', 1),
      (e: unknown) => e instanceof BindingError && /aten::add\.Tensor/.test(e.message),
    )
    assert.throws(() => torch.call('aten::no_such_operator'), BindingError)
  })

  test('says which argument is wrong, with the schema', () => {
    const a = torch.tensor([1])
    assert.throws(() => torch.call('aten::add.Tensor', a), /missing argument "other".*aten::add\.Tensor\(/s)
    assert.throws(() => torch.call('aten::add.Tensor', a, 'text'), /other/)
    assert.throws(() => torch.call('aten::add.Tensor', a, a, { beta: 2 }), /unknown keyword/)
    assert.throws(() => torch.call('aten::add.Tensor', a, a, 1, 2, 3), /at most/)
    assert.throws(() => torch.call('aten::softmax.int', a, 0.5), /dim: expected an integer/)
  })

  test('a failure inside LibTorch names the operator and carries the stack of the call, and is no crash', () => {
    const a = torch.ones([2, 3])
    assert.throws(
      () => torch.ops.matmul(a, a),
      (e: unknown) =>
        e instanceof ShapeError && /^aten::matmul: /.test(e.message) && /operators\.test\.ts/.test(e.stack ?? ''),
    )
    for (const wrong of [
      () => torch.ops.add(a, torch.ones([4])),
      () => torch.ops.cat([a, torch.ones([2])], 0),
      () => torch.ops.reshape(a, [7]),
    ])
      assert.throws(wrong, ShapeError)
    assert.throws(
      () => torch.call('aten::inverse', torch.ones([2, 2], { dtype: 'int64' })),
      (e: unknown) => e instanceof BindingError && /^aten::inverse: /.test(e.message),
    )
  })

  test('one that writes into its arguments is refused', () => {
    const a = torch.ones([2])
    for (const name of ['aten::add_.Tensor', 'aten::add.out'])
      assert.throws(() => torch.call(name, a, a, { out: a }), /writes into its arguments/)
    assert.equal(torch.operatorNames().includes('aten::add_.Tensor'), false)
  })

  test('an object that is no tensor is not taken for keywords', () => {
    class Other {}
    assert.throws(() => torch.call('aten::neg', new Other() as never), /expected a Tensor .* but got an object/)
  })

  test('most of the functional ATen schemas can be called: every argument type of them has a conversion', () => {
    const convertible =
      /^(Tensor|Scalar|int|SymInt|float|bool|str|ScalarType|MemoryFormat|Layout|Device|Generator)?(\[\d*\])?\??(\[\])?\??$/
    const names = torch.operatorNames()
    const fit = names.filter((name) => {
      const [, body = ''] = /\((.*)\) ->/s.exec(torch.schemaOf(name)) ?? []
      const types = body.split(/,\s+(?![^([]*[)\]])/).map(
        (part) =>
          part
            .replace(/\([a-z!\s>*-]+\)/g, '')
            .trim()
            .split(/\s+/)[0] ?? '',
      )
      return types.every((type) => type === '' || type === '*' || convertible.test(type))
    })
    assert.ok(names.length > 1500, `${names.length} operators`)
    assert.ok(fit.length / names.length > 0.9, `${fit.length} of ${names.length}`)
  })

  test('the typed facade is what the schemas of this LibTorch give', () => {
    const script = fileURLToPath(new URL('../../../scripts/generate-ops.mjs', import.meta.url))
    const pinned = torch.versions().libtorch.startsWith('2.13')
    if (!pinned) return
    assert.doesNotThrow(() => execFileSync(process.execPath, [script, '--check'], { stdio: 'pipe' }))
  })
})
