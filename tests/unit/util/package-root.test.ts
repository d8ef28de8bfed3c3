import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { packageFile } from '../../../src/util/package-root.ts'

describe('package root', () => {
  it("is the folder of this package's package.json", () => {
    assert.equal((JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as { name: string }).name, 'trivium')
  })

  it('finds the shipped font and its licence', () => {
    assert.ok(existsSync(packageFile('src/report/assets/DejaVuSans.ttf')))
    assert.ok(existsSync(packageFile('src/report/assets/DejaVuSans-LICENSE.txt')))
  })
})
