/** Many processes at once: each run folder and each lock has one owner. A reader that goes away is no failure. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { sourceCommand } from '../support/training-faults.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-processes-'))
after(() => rmSync(root, { recursive: true, force: true }))
const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

function output(...args: string[]): Promise<string> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--import', 'tsx', ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
    let text = ''
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()))
    child.on('close', () => resolve(text))
  })
}

test(
  'run folder › processes that claim one at the same instant get as many different ones',
  { timeout: 300_000 },
  async () => {
    const [processes, each] = [6, 20]
    const at = String(Date.now() + 8000)
    const texts = await Promise.all(
      Array.from({ length: processes }, () => output(script('run-claimer.ts'), root, String(each), at)),
    )
    const names = texts.flatMap((text) => text.trim().split('\n'))
    assert.equal(names.length, processes * each)
    assert.equal(new Set(names).size, processes * each)
  },
)

test('run lock › of processes that begin at once, one owns the folder', { timeout: 300_000 }, async () => {
  const folder = join(root, 'locked')
  mkdirSync(folder)
  const children = Array.from({ length: 6 }, () => {
    const child = spawn(process.execPath, ['--import', 'tsx', script('snapshot-writer.ts'), folder, 'lock'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    return {
      child,
      said: new Promise<string>((resolve) => child.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString()))),
    }
  })
  const said = await Promise.all(children.map((each) => each.said))
  assert.equal(said.filter((text) => text === 'locked\n').length, 1, said.join())
  assert.equal(said.filter((text) => /another one holds/.test(text)).length, 5, said.join())
  for (const { child } of children) child.kill('SIGKILL')
})

test(
  'command line › a reader that closes the pipe is no failure, and a missing HOME neither',
  { timeout: 120_000 },
  async () => {
    const env = { ...process.env }
    delete env['HOME']
    const child = spawn(process.execPath, [...sourceCommand, 'models'], { stdio: ['ignore', 'pipe', 'pipe'], env })
    let errors = ''
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
    child.stdout.destroy()
    const code = await new Promise((resolve) => child.on('close', resolve))
    assert.equal(code, 0, errors)
    assert.doesNotMatch(errors, /error|EPIPE/i)
  },
)
