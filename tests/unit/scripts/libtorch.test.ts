import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'

interface Located {
  readonly found: { folder: string; version: string; source: string; cuda: boolean } | null
  readonly tried: readonly string[]
  readonly fixed?: boolean
}
interface LibtorchScript {
  readonly pinned: string
  libtorchIn(folder: string): string | null
  versionOf(folder: string): string | null
  versionProblem(version: string | null): string | null
  hasCuda(folder: string): boolean
  locate(environment: Record<string, string | undefined>, projectRoot: string): Located
  remedies(tried: readonly string[]): string
}

const script = (await import(new URL('../../../scripts/libtorch.mjs', import.meta.url).href)) as LibtorchScript

let base = ''
let folder = ''
before(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'trivium-libtorch-')))
})
after(() => {
  rmSync(base, { recursive: true })
})
beforeEach(() => {
  folder = mkdtempSync(join(base, 'case-'))
})

function write(path: string, text = ''): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

/** A folder that looks like LibTorch: the header by which one is known, a version header and the library. */
function fakeLibtorch(at: string, version: string, header = 'torch/headeronly/version.h'): string {
  const [major, minor] = version.split('.')
  write(join(at, 'include/torch/csrc/api/include/torch/types.h'))
  write(join(at, 'lib/libtorch_cpu.so'))
  write(join(at, 'include', header), `#define TORCH_VERSION_MAJOR ${major}\n#define TORCH_VERSION_MINOR ${minor}\n`)
  return at
}

/** A program in place of Python that answers with the folder of its torch; an empty answer is a Python without one. */
function fakePython(answer: string): string {
  const path = join(folder, 'python')
  writeFileSync(path, `#!/bin/sh\necho '${answer}'\n`)
  chmodSync(path, 0o755)
  return path
}

describe('LibTorch › what a folder holds', () => {
  test('is found in the folder itself, in its torch/ and in its libtorch/', () => {
    for (const inside of ['', 'torch', 'libtorch']) {
      const outer = join(folder, `outer-${inside}`)
      const expected = fakeLibtorch(join(outer, inside), '2.13')
      assert.equal(script.libtorchIn(outer), expected)
    }
    assert.equal(script.libtorchIn(folder), null)
    assert.equal(script.libtorchIn(join(folder, 'absent')), null)
  })

  test('names its version in either of the two headers', () => {
    assert.equal(script.versionOf(fakeLibtorch(join(folder, 'new'), '2.13')), '2.13')
    const older = fakeLibtorch(join(folder, 'old'), '2.11', 'torch/csrc/api/include/torch/version.h')
    assert.equal(script.versionOf(older), '2.11')
  })

  test('has no version when the headers do not say', () => {
    const silent = join(folder, 'silent')
    write(join(silent, 'include/torch/csrc/api/include/torch/types.h'))
    assert.equal(script.versionOf(silent), null)
    assert.match(script.versionProblem(null) ?? '', /name no version/)
  })

  test('is a CUDA build when its CUDA library is there', () => {
    const libtorch = fakeLibtorch(folder, '2.13')
    assert.equal(script.hasCuda(libtorch), false)
    write(join(libtorch, 'lib/libtorch_cuda.so'))
    assert.equal(script.hasCuda(libtorch), true)
    assert.equal(script.locate({ LIBTORCH: folder }, base).found?.cuda, true)
  })
})

describe('LibTorch › the version check', () => {
  test('takes 2.11 to 2.14, compared as numbers', () => {
    for (const version of ['2.11', '2.12', '2.13', '2.14']) assert.equal(script.versionProblem(version), null, version)
    for (const version of ['2.2', '2.9', '2.10', '2.15', '1.13', '3.0', '3.12']) {
      assert.match(script.versionProblem(version) ?? 'no problem', /expects 2\.11 … 2\.14, found /, version)
    }
  })

  test('says which version it found', () => {
    assert.equal(script.versionProblem('2.3'), 'expects 2.11 … 2.14, found 2.3')
  })

  test('takes the version that is downloaded', () => {
    assert.equal(script.versionProblem(script.pinned.split('.').slice(0, 2).join('.')), null)
  })
})

describe('LibTorch › where it is looked for', () => {
  const absent = '/nowhere/python'

  test('LIBTORCH comes before Python and .libtorch', () => {
    const named = fakeLibtorch(join(folder, 'named'), '2.12')
    const ofPython = fakeLibtorch(join(folder, 'site-packages/torch'), '2.13')
    fakeLibtorch(join(folder, '.libtorch/torch'), '2.13')
    const { found, fixed } = script.locate({ LIBTORCH: named, TORCH_PYTHON: fakePython(ofPython) }, folder)
    assert.deepEqual(found, { folder: named, version: '2.12', source: 'LIBTORCH', cuda: false })
    assert.equal(fixed, true)
  })

  test('a LIBTORCH that does not fit is an error: nothing takes its place', () => {
    fakeLibtorch(join(folder, '.libtorch/torch'), '2.13')
    const old = script.locate({ LIBTORCH: fakeLibtorch(join(folder, 'old'), '2.3') }, folder)
    assert.equal(old.found, null)
    assert.equal(old.fixed, true)
    assert.deepEqual(old.tried, [`LIBTORCH: ${join(folder, 'old')} expects 2.11 … 2.14, found 2.3`])

    const empty = script.locate({ LIBTORCH: join(folder, 'empty') }, folder)
    assert.equal(empty.found, null)
    assert.deepEqual(empty.tried, [`LIBTORCH: ${join(folder, 'empty')} has no include/torch`])
  })

  test("Python's torch comes before .libtorch", () => {
    const ofPython = fakeLibtorch(join(folder, 'site-packages/torch'), '2.13')
    fakeLibtorch(join(folder, '.libtorch/torch'), '2.12')
    const python = fakePython(ofPython)
    const { found, tried } = script.locate({ TORCH_PYTHON: python }, folder)
    assert.deepEqual(found, { folder: ofPython, version: '2.13', source: `torch of ${python}`, cuda: false })
    assert.deepEqual(tried, ['LIBTORCH: not set', `torch of ${python}: ${ofPython} is LibTorch 2.13`])
  })

  test('.libtorch is taken where Python has no torch, one of another version, or is absent', () => {
    const own = fakeLibtorch(join(folder, '.libtorch/torch'), '2.13')
    const old = fakeLibtorch(join(folder, 'site-packages/torch'), '2.1')
    const pythons: [string, RegExp][] = [
      [fakePython(''), /has no torch/],
      [absent, /not found/],
    ]
    for (const [python, reason] of pythons) {
      const { found, tried } = script.locate({ TORCH_PYTHON: python }, folder)
      assert.deepEqual(found, { folder: own, version: '2.13', source: '.libtorch', cuda: false })
      assert.match(tried[1] ?? '', reason)
    }
    const { found, tried } = script.locate({ TORCH_PYTHON: fakePython(old) }, folder)
    assert.equal(found?.folder, own)
    assert.match(tried[1] ?? '', /expects 2\.11 … 2\.14, found 2\.1$/)
  })

  test('with nothing anywhere, every place tried is in the list, in order', () => {
    const { found, tried, fixed } = script.locate({ TORCH_PYTHON: absent }, folder)
    assert.equal(found, null)
    assert.equal(fixed, undefined)
    assert.deepEqual(tried, [
      'LIBTORCH: not set',
      `torch of ${absent}: not found`,
      `.libtorch: ${join(folder, '.libtorch')} has no include/torch`,
    ])
  })
})

describe('LibTorch › the message when there is none', () => {
  test('lists the places tried and numbered remedies that name the variable, the command and the version', () => {
    const lines = script.remedies(['LIBTORCH: not set', '.libtorch: empty']).split('\n')
    assert.equal(lines[0], 'No usable LibTorch (2.11 … 2.14). Places tried:')
    assert.deepEqual(lines.slice(1, 4), ['  - LIBTORCH: not set', '  - .libtorch: empty', 'Possible solutions:'])
    assert.match(lines[4] ?? '', /^ {2}1\. LIBTORCH=\S+ npm run build:native/)
    assert.ok(lines[5]?.includes(`2. python3 -m pip install torch==${script.pinned}`))
    assert.match(lines[6] ?? '', /^ {2}3\. node scripts\/install\.mjs/)
  })
})
