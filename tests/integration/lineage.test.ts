/** A run that goes on skips what is unchanged, runs again what is not, and its plan says which and why. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { sourceCommand } from '../support/training-faults.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-lineage-'))
after(() => rmSync(root, { recursive: true, force: true }))

const phases = ['supcon', 'arcface', 'distill']
const base = [
  ...['--dataset', 'digits', '--directory', root, '--name', 'line', '--phases', ...phases, '--json'],
  ...['--set', 'device=cpu', '--set', 'threads=1', '--set', 'data.image_size=16'],
  ...['--set', 'backbone={name: small_cnn, width: 4}'],
  ...phases.flatMap((phase) => ['--set', `${phase}.epochs=1`, '--set', `${phase}.batch_size=256`]),
]

interface Answer {
  readonly outcome?: string
  readonly phases: { phase: string; outcome?: string; decision?: string; reasons?: string[]; snapshot?: string }[]
}

function command(...more: string[]): Answer {
  const text = execFileSync(process.execPath, [...sourceCommand, ...base, ...more], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  return JSON.parse(text) as Answer
}

const plan = (...more: string[]): unknown[] =>
  command('--resume', '--plan', ...more).phases.map(({ phase, decision, reasons }) => [phase, decision, reasons])
const outcomes = (answer: Answer): unknown[] => answer.phases.map(({ outcome }) => outcome)
const weights = (phase: string): unknown =>
  (
    JSON.parse(readFileSync(join(root, 'snapshots', 'line', phase, 'best', 'manifest.json'), 'utf8')) as {
      files: Record<string, { sha256: string }>
    }
  ).files['backbone.safetensors']?.sha256

test(
  'lineage › unchanged phases are skipped, a changed one and its descendants run again, the plan says why',
  { timeout: 600_000 },
  () => {
    assert.deepEqual(outcomes(command()), ['finished', 'finished', 'finished'])
    const unchanged = phases.map((phase) => [phase, 'skipped', ['finished and unchanged']])
    assert.deepEqual(plan(), unchanged)
    // What changes nothing of what is learned counts for nothing.
    assert.deepEqual(plan('--set', 'arcface.keep=7', '--set', 'data.workers=1'), unchanged)
    const first = phases.map(weights)
    const time = statSync(join(root, 'snapshots', 'line', 'supcon', 'best', 'manifest.json')).mtimeMs
    assert.deepEqual(outcomes(command('--resume')), Array(3).fill('already finished'))
    const change = ['--set', 'arcface.lr=0.002']
    assert.deepEqual(plan(...change), [
      ['supcon', 'skipped', ['finished and unchanged']],
      ['arcface', 'runs again', ['arcface.lr 0.001 → 0.002']],
      ['distill', 'runs again', ['arcface runs again']],
    ])
    assert.deepEqual(outcomes(command('--resume', ...change)), ['already finished', 'finished', 'finished'])
    const second = phases.map(weights)
    assert.deepEqual([second[0] === first[0], second[1] === first[1], second[2] === first[2]], [true, false, false])
    assert.equal(statSync(join(root, 'snapshots', 'line', 'supcon', 'best', 'manifest.json')).mtimeMs, time)
    for (const phase of ['arcface', 'distill'])
      assert.ok(existsSync(join(root, 'snapshots', 'line', `${phase}-before-1`, 'best', 'manifest.json')), phase)
    assert.deepEqual(
      plan(...change).map((row) => (row as unknown[])[1]),
      Array(3).fill('skipped'),
    )
    // Everything is another when the seed is.
    assert.deepEqual(plan('--seed', '5')[0], ['supcon', 'runs again', ['seed 0 → 5']])
  },
)
