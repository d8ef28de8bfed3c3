import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { translate } from '../../../src/binding/native.ts'
import { exitCodeOf, exitCodes } from '../../../src/cli/exit-codes.ts'
import { compareAnswers } from '../../../src/export/parity.ts'
import { lockRun } from '../../../src/snapshot/index.ts'
import { ConfigError, DatasetError, NonFiniteError, ShapeError, SnapshotError } from '../../../src/util/errors.ts'
import { writeError } from '../../../src/util/files.ts'
import { packageFile } from '../../../src/util/package-root.ts'

describe('exit codes', () => {
  it('follow the class of the error', () => {
    assert.equal(exitCodeOf(new ConfigError('x')), 2)
    assert.equal(exitCodeOf(new DatasetError('x')), 3)
    assert.equal(exitCodeOf(new NonFiniteError('x')), 4)
    assert.equal(exitCodeOf(new ShapeError('x')), 1)
    assert.equal(exitCodeOf(new TypeError('x')), 1)
    assert.equal(exitCodeOf('text'), 1)
  })

  it('tell a full disk from a damaged snapshot, also behind other errors', () => {
    const full = writeError(Object.assign(new Error('write'), { code: 'ENOSPC' }), 'a')
    assert.equal(exitCodeOf(full), 74)
    assert.equal(exitCodeOf(new SnapshotError('could not save', { cause: full })), 74)
    const native = Object.assign(new Error('write a.safetensors: No space left on device'), { kind: 'snapshot' })
    assert.equal(exitCodeOf(new SnapshotError('could not save', { cause: translate(native) })), 74)
    assert.equal(exitCodeOf(new SnapshotError('sums differ')), 1)
  })

  it('know running out of memory', () => {
    for (const words of [
      "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes",
      'CUDA out of memory. Tried to allocate 20 GiB',
    ])
      assert.equal(exitCodeOf(translate(Object.assign(new Error(words), { kind: 'binding' }))), 5)
    for (const [error, code] of [
      [new RangeError('Array buffer allocation failed'), 5],
      [Object.assign(new Error('a.node: failed to map segment from shared object'), { code: 'ERR_DLOPEN_FAILED' }), 5],
      [Object.assign(new Error('spawn ENOMEM'), { code: 'ENOMEM' }), 5],
      [new RangeError('Invalid array length'), 1],
      [Object.assign(new Error('a.node: undefined symbol: b'), { code: 'ERR_DLOPEN_FAILED' }), 1],
    ] as const) {
      assert.equal(exitCodeOf(error), code, error.message)
      assert.equal(exitCodeOf(new ShapeError('while it trained', { cause: error })), code, error.message)
    }
  })

  it('know a run that another process works on', () => {
    const folder = mkdtempSync(join(tmpdir(), 'trivium-exit-'))
    const lock = lockRun(folder)
    try {
      assert.throws(
        () => lockRun(folder),
        (error) => exitCodeOf(error) === 6,
      )
    } finally {
      lock.release()
      rmSync(folder, { recursive: true })
    }
  })

  it('know an export that its comparison refused', () => {
    const native = { logits: Float32Array.of(1, 0), classes: 2 }
    const exported = { logits: Float32Array.of(0, 1), classes: 2 }
    assert.throws(
      () => compareAnswers(native, exported, 1e-3, 'a'),
      (error) => exitCodeOf(error) === 7,
    )
  })

  it('are all in docs/cli.md', () => {
    const page = readFileSync(packageFile('docs/cli.md'), 'utf8')
    const table = page.slice(page.indexOf('## Exit codes'), page.indexOf('## Errors'))
    for (const code of Object.values(exitCodes)) assert.match(table, new RegExp(`\\b${code}\\b`))
  })
})
