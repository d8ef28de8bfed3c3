import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { chooseRun, newestRun, type PhaseName } from '../../../src/phases/index.ts'
import { ConfigError } from '../../../src/util/errors.ts'

const base = mkdtempSync(join(tmpdir(), 'trivium-runs-'))
after(() => rmSync(base, { recursive: true, force: true }))
let roots = 0
const newRoot = (): string => join(base, `root-${++roots}`)
const curriculum: PhaseName[] = ['supcon', 'arcface', 'distill', 'evaluate', 'export']

function choose(root: string, phases: PhaseName[], resume = false): { run: string; parent: string | null } {
  const { run, parentRun } = chooseRun(root, 'digits', { phases, resume })
  return { run: run.name, parent: parentRun?.name ?? null }
}

function trained(root: string, run: string, ...phases: PhaseName[]): void {
  for (const phase of phases) mkdirSync(join(root, 'snapshots', run, phase), { recursive: true })
}

test('run folder › a second run of the same name gets -2, a third -3, and the folders exist', () => {
  const root = newRoot()
  assert.deepEqual(
    [1, 2, 3].map(() => choose(root, curriculum).run),
    ['digits', 'digits-2', 'digits-3'],
  )
  assert.ok(existsSync(join(root, 'snapshots', 'digits-3')) && existsSync(join(root, 'logs', 'digits-3')))
  assert.equal(newestRun(root, 'digits')?.name, 'digits-3')
})

test('run folder › a number is not taken again when only its logs are left', () => {
  const root = newRoot()
  mkdirSync(join(root, 'logs', 'digits'), { recursive: true })
  assert.equal(choose(root, curriculum).run, 'digits-2')
})

test('run folder › names that merely look alike are other runs', () => {
  const root = newRoot()
  trained(root, 'digits-x', 'arcface')
  trained(root, 'digits-02', 'arcface')
  assert.equal(newestRun(root, 'digits'), null)
})

test('run folder › evaluate and export work on the newest run', () => {
  const root = newRoot()
  trained(root, 'digits', 'arcface')
  trained(root, 'digits-2', 'supcon', 'arcface')
  assert.deepEqual(choose(root, ['evaluate']), { run: 'digits-2', parent: null })
  assert.deepEqual(choose(root, ['evaluate', 'export']), { run: 'digits-2', parent: null })
})

test('run folder › a training phase continues the run that has its predecessor', () => {
  const root = newRoot()
  trained(root, 'digits', 'supcon')
  assert.deepEqual(choose(root, ['arcface', 'distill']), { run: 'digits', parent: null })
})

test('run folder › a phase that was trained already is not overwritten: a new run starts from the earlier one', () => {
  const root = newRoot()
  trained(root, 'digits', 'supcon', 'arcface')
  assert.deepEqual(choose(root, ['arcface']), { run: 'digits-2', parent: 'digits' })
})

test('run folder › the newest run that has the predecessor counts, not the newest of all', () => {
  const root = newRoot()
  trained(root, 'digits', 'supcon', 'arcface')
  trained(root, 'digits-2', 'arcface')
  assert.deepEqual(choose(root, ['arcface']), { run: 'digits-3', parent: 'digits' })
  assert.deepEqual(choose(root, ['evaluate']), { run: 'digits-2', parent: null })
})

test('run folder › evaluate without anything trained makes a run of its own, where the phase will say what is missing', () => {
  assert.deepEqual(choose(newRoot(), ['evaluate']), { run: 'digits', parent: null })
})

test('run folder › resume goes on with the newest, and says so when there is none', () => {
  const root = newRoot()
  assert.throws(
    () => choose(root, curriculum, true),
    (error: unknown) => error instanceof ConfigError && /expected a run called "digits"/.test(error.message),
  )
  trained(root, 'digits', 'supcon')
  trained(root, 'digits-2', 'supcon')
  assert.equal(choose(root, curriculum, true).run, 'digits-2')
})
