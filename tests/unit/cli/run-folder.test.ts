import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { claimRun, newestRun, nextRun, runToResume } from '../../../src/cli/run-folder.ts'

describe('run folders', () => {
  let root = ''
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'trivium-runs-'))
  })
  afterEach(() => rmSync(root, { recursive: true }))

  it('number a second and a third run of the same name', () => {
    assert.deepEqual(
      [1, 2, 3].map(() => claimRun(root, 'digits').name),
      ['digits', 'digits-2', 'digits-3'],
    )
    assert.deepEqual(readdirSync(join(root, 'snapshots')).sort(), ['digits', 'digits-2', 'digits-3'])
  })

  it('never write into folders of an earlier run, whichever of them is left', () => {
    mkdirSync(join(root, 'eval_results', 'digits'), { recursive: true })
    mkdirSync(join(root, 'logs', 'digits-2'), { recursive: true })
    assert.equal(nextRun(root, 'digits').name, 'digits-3')
  })

  it('find the newest run by its number, not by its spelling', () => {
    for (const name of ['digits', 'digits-2', 'digits-10', 'digits-extra', 'digits-1', 'digits-02']) {
      mkdirSync(join(root, 'snapshots', name), { recursive: true })
    }
    assert.equal(newestRun(root, 'digits')?.name, 'digits-10')
    assert.equal(newestRun(root, 'other'), null)
    assert.equal(runToResume(root, 'digits-2').name, 'digits-2')
  })

  it('make nothing when only asked', () => {
    nextRun(root, 'digits')
    assert.deepEqual(readdirSync(root), [])
  })

  it('say which runs there are when the one to resume is missing', () => {
    claimRun(root, 'digits')
    assert.throws(() => runToResume(root, 'digts'), /called "digts".*Did you mean "digits"/)
  })
})
