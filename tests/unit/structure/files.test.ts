import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { filesBelow, root, textOf } from './sources.ts'

const sources = [...filesBelow('src', ['.ts']), ...filesBelow('native', ['.cc', '.h', '.cu'])]
const written = sources.filter((file) => !file.endsWith('.generated.ts'))

describe('files', () => {
  test('have at most 400 lines: past that there is a second idea', () => {
    assert.ok(written.length > 100, `only ${written.length} files were found: the reader of this test is broken`)
    const long = written
      .map((file) => ({ file, lines: textOf(file).split('\n').length - 1 }))
      .filter(({ lines }) => lines > 400)
    assert.deepEqual(long, [])
  })

  test('hold no note of unfinished work', () => {
    assert.deepEqual(
      written.filter((file) => /\b(TODO|FIXME|XXX)\b/.test(textOf(file))),
      [],
    )
  })
})

describe('the package', () => {
  const { files, bin } = JSON.parse(textOf('package.json')) as { files: string[]; bin: Record<string, string> }
  const shipped = (path: string): boolean =>
    files.some((entry) => path === entry || path.startsWith(`${entry}/`)) || path === 'package.json'

  test('ships every file that the code asks for by name', () => {
    const asked = written
      .filter((file) => file.startsWith('src/'))
      .flatMap((file) => [...textOf(file).matchAll(/packageFile\(\s*'([^']+)'/g)].map((match) => match[1] ?? ''))
    assert.ok(asked.length >= 3, `only ${asked.length} were found: the reader of this test is broken`)
    const lost = asked.filter((path) => !path.startsWith('build/') && !(shipped(path) && existsSync(join(root, path))))
    assert.deepEqual(lost, [])
  })

  test('ships what its install step needs, and its command', () => {
    const needed = ['CMakeLists.txt', 'cmake/LibTorch.cmake', 'native/addon.cc', 'scripts/install.mjs']
    assert.deepEqual(
      [...needed, ...Object.values(bin)].filter((path) => !shipped(path)),
      [],
    )
  })

  test('runs no install script of another package', () => {
    const lock = JSON.parse(textOf('package-lock.json')) as {
      packages: Record<string, { hasInstallScript?: boolean; optional?: boolean }>
    }
    const { allowScripts } = JSON.parse(textOf('package.json')) as { allowScripts: Record<string, boolean> }
    const withScript = Object.entries(lock.packages)
      .filter(([path, entry]) => path !== '' && entry.hasInstallScript)
      .map(([path]) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length))
    assert.ok(withScript.includes('onnxruntime-node'))
    const allowed = [...new Set(withScript)].filter((name) => allowScripts[name] !== false)
    assert.deepEqual(allowed, [])
  })
})
