/** Address space that does not suffice: the system refuses memory in the middle of a step, wherever it is asked for. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = mkdtempSync(join(tmpdir(), 'trivium-memory-'))
after(() => rmSync(root, { recursive: true, force: true }))
const child = fileURLToPath(new URL('short-memory.ts', import.meta.url))
const skip = spawnSync('prlimit', ['--as']).status === 0 ? false : 'needs prlimit'

/** @param megabytes more than it has at its first step; null: as many as there are */
function train(name: string, megabytes: number | null, microBatch: string): { code: number | null; text: string } {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', 'tsx', child, root, name, String(megabytes ?? 1e6), microBatch],
    { encoding: 'utf8' },
  )
  return { code: status, text: stdout + stderr }
}

for (const what of ['data', 'records', 'resize', 'decode'])
  test(
    `memory › an array that there is no memory for is an error, not the end of the process: ${what}`,
    { skip },
    () => {
      const script = fileURLToPath(new URL('short-arrays.ts', import.meta.url))
      const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', script, what], {
        encoding: 'utf8',
      })
      assert.match(stdout, /^BindingError: out of memory/, stdout + stderr)
      assert.equal(status, 5)
    },
  )

test(
  'memory › what the system refuses ends a step with numbers, remedy and exit code 5',
  { timeout: 300_000, skip },
  () => {
    // Of much less, Node itself is short now and then.
    for (const megabytes of [80, 200]) {
      const { code, text } = train('whole', megabytes, 'none')
      assert.equal(code, 5, text)
      assert.match(
        text,
        /^BindingError: train: out of memory at step 1 \(epoch 1\), with 512 × 3 × 64 × 64 images at once on cpu, .* holds \d\.\d\d GB .*Set micro_batch: 256, or auto/m,
      )
    }
  },
)

test(
  'memory › with micro_batch: auto it goes on in pieces; what comes of it, the run can be gone on with',
  { timeout: 300_000, skip },
  () => {
    const { code, text } = train('pieces', 200, 'auto')
    assert.match(text, /out of memory at step 1 .*Going on with (256|128|64|32|16|8|4|2|1) images at once/)
    // What is left may be too little for Node itself or for the pictures at the end: an abort of theirs is not ours to catch.
    if (code === 0) assert.match(text, /^finished$/m)
    else if (code === 5) assert.match(text, /BindingError: train: out of memory/)
    else assert.match(text, /memory allocation of \d+ bytes failed|out of memory/i)
    const after = train('pieces', null, 'auto')
    assert.equal(after.code, 0, after.text)
    assert.match(after.text, /^finished$/m)
  },
)
