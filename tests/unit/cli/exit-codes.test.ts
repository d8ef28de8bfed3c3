import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { exitCodeOf, exitCodes } from '../../../src/cli/exit-codes.ts'
import {
  BindingError,
  ConfigError,
  DatasetError,
  NonFiniteError,
  ShapeError,
  SnapshotError,
} from '../../../src/util/errors.ts'
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
    assert.equal(exitCodeOf(new SnapshotError('write a.safetensors: No space left on device')), 74)
    assert.equal(exitCodeOf(new SnapshotError('sums differ')), 1)
  })

  it('know running out of memory', () => {
    assert.equal(
      exitCodeOf(new BindingError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")),
      5,
    )
    assert.equal(exitCodeOf(new BindingError('CUDA out of memory. Tried to allocate 20 GiB')), 5)
  })

  it('know a run that another process works on', () => {
    assert.equal(
      exitCodeOf(new SnapshotError('snapshots/a: expected to be the only process that works on this run, but …')),
      6,
    )
  })

  it('are all in docs/cli.md', () => {
    const page = readFileSync(packageFile('docs/cli.md'), 'utf8')
    const table = page.slice(page.indexOf('## Exit codes'), page.indexOf('## Errors'))
    for (const code of Object.values(exitCodes)) assert.match(table, new RegExp(`\\b${code}\\b`))
  })
})
