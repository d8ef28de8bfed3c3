import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { createOutput } from '../../../src/cli/output.ts'
import { reportError } from '../../../src/cli/report-error.ts'
import { ConfigError } from '../../../src/util/errors.ts'

function told(error: unknown): string {
  const lines: string[] = []
  const output = { ...createOutput(), note: (text: string) => void lines.push(text) }
  reportError(error, output, { debug: false })
  return lines.join('\n')
}

test('errors › what the system refuses is no defect of the program, and comes with what to do', () => {
  const full = Object.assign(new Error('EMFILE: too many open files, open x'), { code: 'EMFILE', errno: -24 })
  assert.match(
    told(full),
    /EMFILE: too many open files, open x\nThe system refused it: .*Raise the limit \(ulimit -n\)\.$/,
  )
  assert.match(told(new Error('odd')), /odd\nThis looks like a defect of the program\. --debug shows/)
  assert.doesNotMatch(told(new ConfigError('wrong')), /defect|refused/)
  assert.throws(
    () => readFileSync('/nowhere/at/all'),
    (error: unknown) => /The system refused it: it, or a folder on the way/.test(told(error)),
  )
})
