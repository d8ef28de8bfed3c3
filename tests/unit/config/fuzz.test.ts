/** Whatever is typed ends in a configuration or in a ConfigError, quickly, and no prototype changes. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readYaml } from '../../../src/config/read-yaml.ts'
import { readOverrides } from '../../../src/config/overrides.ts'
import { resolveConfig } from '../../../src/config/index.ts'
import { describeIssues } from '../../../src/config/problems.ts'
import { configSchema } from '../../../src/config/schema.ts'
import { toPlain } from '../../../src/config/tree.ts'
import { ConfigError } from '../../../src/util/errors.ts'
import { Rng } from '../../../src/util/rng.ts'

// prettier-ignore
const PIECES = [
  'supcon', 'arcface', 'train', 'data', 'backbone', 'run', 'name', 'lr', 'epochs', 'steps', 'enabled', 'augmentations', 'random_crop',
  'phases', 'seed', 'logging', 'wandb', '__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', '<<', '&a', '*a', '!!set',
  '!!binary', '- ', ': ', ':', '=', '.', ',', '[', ']', '{', '}', '\n', '\n  ', '\n    ', '"', "'", '|', '>', '#', '%', '---', '...', '?',
  '1e-4', '-1', '0', '1e999', '.nan', '.inf', 'null', '~', 'true', 'False', 'yes', '0x10', '9007199254740993', '\t', '\r', '\u0000', '\uFEFF',
  '\uD800', 'é', '🙂', ' ',
]

function words(rng: Rng, most: number): string {
  return Array.from({ length: 1 + rng.below(most) }, () => PIECES[rng.below(PIECES.length)]).join('')
}

/** Runs `attempt`; anything but success or ConfigError fails the test. */
function survives(text: string, attempt: () => unknown): void {
  const start = performance.now()
  try {
    attempt()
  } catch (error) {
    if (!(error instanceof ConfigError)) {
      throw new assert.AssertionError({ message: `${JSON.stringify(text)} → ${(error as Error).stack}` })
    }
  }
  const took = performance.now() - start
  assert.ok(took < 5000, `${JSON.stringify(text)} took ${took} ms`)
}

describe('fuzz', () => {
  const untouched = JSON.stringify(Object.getOwnPropertyNames(Object.prototype))

  it('20,000 YAML texts', () => {
    const rng = new Rng({ seed: 1 })
    for (let i = 0; i < 20_000; i++) {
      const text = words(rng, 14)
      survives(text, () => {
        const tree = readYaml(text, 'f')
        const parsed = configSchema.safeParse(toPlain(tree))
        if (!parsed.success) describeIssues(parsed.error.issues, tree, configSchema, [])
      })
    }
    assert.equal(JSON.stringify(Object.getOwnPropertyNames(Object.prototype)), untouched)
  })

  it('20,000 values of --set', () => {
    const rng = new Rng({ seed: 2 })
    for (let i = 0; i < 20_000; i++) {
      const text =
        rng.below(2) === 0 ? words(rng, 8) : `${['supcon.lr', 'train', 'a.b', 'phases'][rng.below(4)]}=${words(rng, 6)}`
      survives(text, () => readOverrides([text]))
    }
    assert.equal(JSON.stringify(Object.getOwnPropertyNames(Object.prototype)), untouched)
  })

  it('1,000 whole command lines', () => {
    const rng = new Rng({ seed: 3 })
    const keys = [
      'seed',
      'train',
      'train.lr',
      'supcon.steps',
      'data.directory',
      'backbone',
      'phases',
      'num_epochs',
      'run.name',
    ]
    for (let i = 0; i < 1000; i++) {
      const set = [`${keys[rng.below(keys.length)]}=${words(rng, 3)}`]
      survives(set[0] ?? '', () => resolveConfig({ set, phases: rng.below(2) === 0 ? undefined : [words(rng, 2)] }))
    }
    assert.equal(JSON.stringify(Object.getOwnPropertyNames(Object.prototype)), untouched)
  })

  it('single bytes of a real file changed, 3,000 times', () => {
    const rng = new Rng({ seed: 4 })
    const real =
      'seed: 1\ndata: {dataset: cifar10}\nsupcon:\n  epochs: 3\n  augmentations: {random_crop: {padding: 4}}\n'
    for (let i = 0; i < 3000; i++) {
      const at = rng.below(real.length)
      const text = real.slice(0, at) + String.fromCharCode(rng.below(128)) + real.slice(at + rng.below(3))
      survives(text, () => configSchema.safeParse(toPlain(readYaml(text, 'f'))))
    }
  })
})
