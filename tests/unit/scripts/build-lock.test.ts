import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'

const script = new URL('../../../scripts/build-lock.mjs', import.meta.url).href
const folder = mkdtempSync(join(tmpdir(), 'trivium-build-lock-'))
after(() => rmSync(folder, { recursive: true }))

/** Takes the lock, writes `begin`, works for a while, writes `end`. */
const worker = (lock: string, journal: string): string[] => [
  '--input-type=module',
  '-e',
  `import { lockBuild } from '${script}'
   import { appendFileSync } from 'node:fs'
   lockBuild(${JSON.stringify(lock)})
   appendFileSync(${JSON.stringify(journal)}, 'begin ')
   setTimeout(() => appendFileSync(${JSON.stringify(journal)}, 'end '), 150)`,
]

describe('build lock', () => {
  test('lets one process after another in, and is gone with the last', async () => {
    const lock = join(folder, 'build', '.lock')
    const journal = join(folder, 'journal')
    const ended = Array.from({ length: 4 }, () => {
      const child = spawn(process.execPath, worker(lock, journal), { stdio: 'ignore' })
      return new Promise((resolve) => child.on('close', resolve))
    })
    assert.deepEqual(await Promise.all(ended), [0, 0, 0, 0])
    assert.equal(readFileSync(journal, 'utf8'), 'begin end '.repeat(4))
    assert.equal(existsSync(lock), false)
  })

  test('of a process that was killed does not hold anybody up', () => {
    const lock = join(folder, 'stale')
    const gone = spawnSync(process.execPath, ['-e', ''])
    writeFileSync(lock, String(gone.pid))
    const result = spawnSync(process.execPath, worker(lock, join(folder, 'after')), { timeout: 30_000 })
    assert.equal(result.status, 0)
    assert.equal(readFileSync(join(folder, 'after'), 'utf8'), 'begin end ')
  })
})
