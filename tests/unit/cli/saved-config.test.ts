import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { changedKeys, savedConfig } from '../../../src/cli/saved-config.ts'
import { configToYaml, resolveConfig } from '../../../src/config/index.ts'
import { ConfigError } from '../../../src/util/errors.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-saved-'))
after(() => rmSync(root, { recursive: true }))

const request = { name: 'mid', phases: ['train'], set: [`run.directory=${root}`, 'train.lr=0.5'] }
const started = resolveConfig(request)
const run = join(root, 'snapshots', 'mid')
mkdirSync(join(run, 'train'), { recursive: true })
const path = join(run, 'config.yaml')

describe('resuming', () => {
  it('reads what the run was started with, and gets the same configuration', () => {
    writeFileSync(path, configToYaml(started))
    assert.equal(savedConfig(root, 'mid'), path)
    const again = resolveConfig({ config: path, name: 'mid' })
    assert.deepEqual(again.phases, ['train'])
    assert.equal(again.config.train.lr, 0.5)
    assert.deepEqual(changedKeys(again), [])
  })

  it('names every key that changed, but not where and how it runs', () => {
    writeFileSync(path, configToYaml(started))
    const set = [...request.set, 'train.lr=0.25', 'backbone.name=resnet18', 'device=cpu', 'threads=1']
    assert.deepEqual(changedKeys(resolveConfig({ ...request, set })), [
      'backbone.name: "small_cnn" → "resnet18"',
      'train.lr: 0.5 → 0.25',
    ])
  })

  it('refuses to guess when the run has lost its configuration, and leaves an unknown run to the run itself', () => {
    rmSync(path)
    assert.throws(
      () => savedConfig(root, 'mid'),
      (error) => error instanceof ConfigError && /config\.yaml: no such file/.test(error.message),
    )
    assert.equal(savedConfig(root, 'nowhere'), undefined)
  })
})
