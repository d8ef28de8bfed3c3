import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { cutPower } from '../support/power-cut-states.ts'
import { losses, pending, readTree, recordingOf, writeState } from '../support/power-cut.ts'
import { straceProblem } from '../support/system-calls.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-power-'))
after(() => rmSync(root, { recursive: true, force: true }))

const hex = (text: string): string =>
  [...Buffer.from(text)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')

test('power cut › the model loses what was not fsynced, and nothing else', () => {
  const folder = '/disk'
  const file = `3<${hex('/disk/a')}>`
  const log = [
    `7 openat(AT_FDCWD<${hex('/')}>, "${hex('/disk/a')}", O_WRONLY|O_CREAT, 0644) = ${file}`,
    `7 write(${file}, "${hex('one')}", 3) = 3`,
    `7 fsync(${file} <unfinished ...>`,
    '8 mkdir("", 0777) = -1 EEXIST (File exists)',
    '7 <... fsync resumed>) = 0',
    `7 write(${file}, "${hex('two')}", 3) = 3`,
    `7 rename("${hex('/disk/a')}", "${hex('/disk/b')}") = 0`,
  ].join('\n')
  const recording = recordingOf({ kind: 'folder', entries: new Map() }, folder, log)
  const states = new Set<string>()
  const changes = pending(recording, recording.steps.length)
  assert.equal(changes.length, 3, 'the name, the second write, the new name')
  for (const lost of losses(changes, 8, Math.random)) {
    writeState(recording, recording.steps.length, lost, join(root, 'model'))
    const entries = [...readTree(join(root, 'model')).entries]
    states.add(
      entries.map(([name, node]) => `${name}: ${node.kind === 'file' ? String(node.bytes) : node.kind}`).join(),
    )
  }
  assert.deepEqual([...states].sort(), ['', 'a: one', 'a: onetwo', 'b: one', 'b: onetwo'])
})

test(
  'power cut › whatever was not fsynced is lost, the acknowledged snapshot is whole, also the first of a run',
  { timeout: 300_000, skip: straceProblem() ?? false },
  async () => {
    const figures = await cutPower(root, 600, Math.random)
    assert.deepEqual(figures.problems, [])
    assert.ok(figures.states >= 300 && figures.new >= 50, JSON.stringify(figures))
  },
)
