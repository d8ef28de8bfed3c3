/** lr-find and batch-find as a user runs them: processes of their own. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { runProgram, type Ended } from '../support/run-program.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-measuring-'))
after(() => rmSync(root, { recursive: true, force: true }))

const small = ['data.image_size=8', 'backbone={name: small_cnn, width: 4}'].flatMap((key) => ['--set', key])
const run = (args: readonly string[]): Promise<Ended> => runProgram(root, args)

interface Rates {
  readonly suggestion: number
  readonly points: readonly { readonly lr: number; readonly loss: number }[]
}

for (const phase of ['train', 'supcon']) {
  test(`lr-find › of phase ${phase}: a plot, a table, a rate between the first and the last, and nothing else`, async () => {
    const before = new Set(readdirSync(root))
    const args = ['lr-find', '--phase', phase, ...small, '--steps', '30', '--from', '1e-4', '--to', '1', '--json']
    const { code, stdout, stderr } = await run([...args, '-o', `${phase}.svg`])
    assert.equal(code, 0, stderr)
    const { suggestion, files } = JSON.parse(stdout) as { suggestion: number; files: string[] }
    assert.deepEqual(
      readdirSync(root).filter((name) => !before.has(name)),
      [`${phase}.json`, `${phase}.svg`],
    )
    assert.match(readFileSync(join(root, `${phase}.svg`), 'utf8'), /<svg[\s\S]*learning rate/)
    const { points, suggestion: written } = JSON.parse(readFileSync(files[1] ?? '', 'utf8')) as Rates
    assert.equal(written, suggestion)
    assert.ok(suggestion > 1e-4 && suggestion < 1, String(suggestion))
    // one factor between any two steps, from the first rate on
    const factor = 1e4 ** (1 / 29)
    assert.ok(points.length > 5)
    for (const [i, { lr }] of points.entries()) assert.ok(Math.abs(lr / (1e-4 * factor ** i) - 1) < 1e-9, `step ${i}`)
  })
}

test('batch-find › measures sizes up to the maximum, and takes the largest', async () => {
  const args = ['batch-find', '--phase', 'train', ...small, '--start', '8', '--maximum', '16', '--steps', '2', '--json']
  const { code, stdout, stderr } = await run(args)
  assert.equal(code, 0, stderr)
  const { batch_size: largest, trials } = JSON.parse(stdout) as {
    batch_size: number
    trials: { batch_size: number; fits: boolean; peak_bytes: number; images_per_second: number }[]
  }
  assert.equal(largest, 16)
  assert.deepEqual(
    trials.map(({ batch_size: size, fits }) => [size, fits]),
    [[8, true], [16, true]], // prettier-ignore
  )
  for (const { peak_bytes: bytes, images_per_second: speed } of trials) {
    assert.ok(bytes > 2 ** 26 && bytes < 2 ** 33, String(bytes)) // a process with LibTorch in it
    assert.ok(speed > 0)
  }
})

test('batch-find › the batch is that of one pass, where the last step accumulates fewer of them', async () => {
  const sizes = ['--start', '1024', '--maximum', '1024', '--steps', '2', '--json']
  const { code, stdout, stderr } = await run([
    ...['batch-find', '--phase', 'train', ...small, '--set', 'train.accumulation=2', ...sizes],
  ])
  assert.equal(code, 0, stderr)
  const { batch_size: largest, trials } = JSON.parse(stdout) as { batch_size: number; trials: unknown[] }
  assert.deepEqual([largest, trials.length], [1024, 1])
})

test('batch-find › a limit that no size keeps is out of memory, exit code 5', async () => {
  const args = ['batch-find', '--phase', 'train', ...small, '--start', '2', '--memory', '0.05']
  const { code, stderr } = await run(args)
  assert.equal(code, 5, stderr)
  assert.match(stderr, /no batch of phase train fits 0\.05 GiB/)
})

for (const [args, message] of [
  [['lr-find', '--to', '1e-9'], /--to: expected more than --from/],
  [['lr-find', '-o', 'plot.jpg'], /--output: expected a file that ends in \.png or \.svg/],
  [['lr-find', '--phase', 'evaluate'], /--phase: expected one of train, supcon/],
  [['lr-find', '--steps', '3'], /--steps: expected a whole number ≥ 10/],
  [['batch-find', '--start', '9', '--maximum', '8'], /--maximum: expected at least --start/],
  [['batch-find', '--phase', 'train', '--set', 'train.lr=-1'], /train\.lr/],
] as const)
  test(`measuring › ${args.join(' ')} is refused, exit code 2`, async () => {
    const { code, stderr } = await run(args)
    assert.equal(code, 2, stderr)
    assert.match(stderr, message)
  })
