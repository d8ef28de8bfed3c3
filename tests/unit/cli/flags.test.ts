import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Flags, FlagValues } from '../../../src/cli/flags.ts'

const flags: Flags = {
  seed: { kind: 'whole', minimum: 0, describe: '' },
  lr: { kind: 'number', minimum: 0, exclusive: true, describe: '' },
  name: { kind: 'text', describe: '' },
  num_epochs: { kind: 'whole', minimum: 1, alias: 'e', describe: '' },
  phases: { kind: 'list', describe: '' },
  set: { kind: 'repeated', describe: '' },
  json: { kind: 'switch', describe: '' },
}
const read = (values: Record<string, unknown>): FlagValues => new FlagValues(values, flags)

describe('flags', () => {
  it('reads numbers as written', () => {
    assert.equal(read({ lr: '5e-4' }).number('lr'), 5e-4)
    assert.equal(read({ seed: '0' }).number('seed'), 0)
    assert.equal(read({}).number('seed'), undefined)
  })

  for (const [values, expected] of [
    [{ seed: 'abc' }, /--seed: expected a whole number ≥ 0, got "abc"/],
    [{ seed: '1.5' }, /whole number/],
    [{ seed: '-1' }, /≥ 0/],
    [{ seed: '1e400' }, /whole number/],
    [{ seed: '' }, /expected a value after it/],
    [{ lr: '0' }, /--lr: expected a number > 0, got "0"/],
    [{ lr: 'NaN' }, /expected a number/],
    [{ name: ['a', 'b'] }, /Give the option once/],
    [{ phases: [] }, /one or more words/],
    [{ json: [true, true] }, /the flag once/],
    [{ num_epoch: '3' }, /unknown option --num_epoch\. Did you mean "--num_epochs"\?/],
    [{ x: true }, /unknown option -x\./],
  ] as const) {
    it(`refuses ${JSON.stringify(values)}`, () => assert.throws(() => read(values), expected))
  }

  it('takes aliases and dashes', () => {
    assert.equal(read({ num_epochs: '3', 'num-epochs': '3', e: '3' }).number('num_epochs'), 3)
  })

  it('separates a list at commas and keeps one --set as it is', () => {
    assert.deepEqual(read({ phases: ['supcon,arcface', 'evaluate'] }).list('phases'), ['supcon', 'arcface', 'evaluate'])
    assert.deepEqual(read({ set: 'a=1,2' }).repeated('set'), ['a=1,2'])
    assert.deepEqual(read({ set: ['a=1', 'b=2'] }).repeated('set'), ['a=1', 'b=2'])
  })
})
