import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readOverrides } from '../../../src/config/overrides.ts'
import { originOf, toPlain } from '../../../src/config/tree.ts'
import { ConfigError } from '../../../src/util/errors.ts'

const read = (...overrides: string[]): unknown => JSON.parse(JSON.stringify(toPlain(readOverrides(overrides))))

describe('--set', () => {
  it('reads the value as YAML', () => {
    assert.deepEqual(read('arcface.lr=3e-4', 'supcon.enabled=false', 'run.name=a=b', 'distill.teacher_head_path='), {
      arcface: { lr: 3e-4 },
      supcon: { enabled: false },
      run: { name: 'a=b' },
      distill: { teacherHeadPath: null },
    })
    assert.deepEqual(read('train.augmentations={random_crop: {padding: 2}}'), {
      train: { augmentations: { randomCrop: { padding: 2 } } },
    })
  })

  it('lets the last one win and merges neighbours', () => {
    assert.deepEqual(read('train.lr=1', 'train.momentum=0.5', 'train.lr=2'), { train: { lr: 2, momentum: 0.5 } })
  })

  it('is the origin of its value', () => {
    assert.equal(originOf(readOverrides(['train.lr=1']), ['train', 'lr']), '--set train.lr=1')
  })

  for (const text of [
    '',
    'lr',
    '=1',
    '.lr=1',
    'train..lr=1',
    'a b=1',
    '[0]=1',
    `${'a.'.repeat(20)}a=1`,
    `a=${'x'.repeat(10_001)}`,
  ]) {
    it(`refuses ${JSON.stringify(text.slice(0, 30))}`, () => assert.throws(() => readOverrides([text]), ConfigError))
  }

  it('cannot reach a prototype', () => {
    for (const text of ['__proto__.x=1', 'constructor.prototype.x=1', 'a.prototype=1', 'a={__proto__: {x: 1}}']) {
      assert.throws(() => readOverrides([text]), /cannot be a key/)
    }
    assert.equal(({} as Record<string, unknown>)['x'], undefined)
  })
})
