import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, beforeEach, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const project = fileURLToPath(new URL('../../..', import.meta.url))
const base = mkdtempSync(join(tmpdir(), 'trivium-install-'))
after(() => {
  rmSync(base, { recursive: true })
})

/** A package folder with the real scripts and nothing built, and a PATH with nothing on it but node. */
let folder = ''
let bin = ''
beforeEach(() => {
  folder = mkdtempSync(join(base, 'case-'))
  bin = join(folder, 'bin')
  mkdirSync(bin)
  symlinkSync(process.execPath, join(bin, 'node'))
  symlinkSync('/bin/sh', join(bin, 'sh'))
  for (const name of ['scripts', 'native', 'cmake']) {
    mkdirSync(join(folder, 'package', name), { recursive: true })
  }
  writeFileSync(join(folder, 'package/CMakeLists.txt'), '')
  for (const name of ['install', 'build-lock', 'build-native', 'libtorch', 'obtain-libtorch']) {
    copyFileSync(join(project, 'scripts', `${name}.mjs`), join(folder, 'package/scripts', `${name}.mjs`))
  }
})

function tool(name: string, script: string): void {
  writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`)
  chmodSync(join(bin, name), 0o755)
}

function libtorch(version: string): string {
  const at = join(folder, 'libtorch')
  const [major, minor] = version.split('.')
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(at, path)), { recursive: true })
    writeFileSync(join(at, path), text)
  }
  write('include/torch/csrc/api/include/torch/types.h', '')
  write(
    'include/torch/headeronly/version.h',
    `#define TORCH_VERSION_MAJOR ${major}\n#define TORCH_VERSION_MINOR ${minor}\n`,
  )
  write('lib/libtorch_cpu.so', '')
  return at
}

function install(environment: Record<string, string>): { status: number | null; lines: string[] } {
  const result = spawnSync(process.execPath, [join(folder, 'package/scripts/install.mjs')], {
    encoding: 'utf8',
    env: { PATH: bin, ...environment },
  })
  return { status: result.status, lines: result.stderr.trim().split('\n') }
}

describe('install › what stops it', () => {
  test('without a compiler, cmake and ninja: each is named with its remedy, and nothing is downloaded', () => {
    const { status, lines } = install({})
    assert.equal(status, 1)
    assert.equal(lines[0], 'The addon cannot be built. Missing:')
    assert.match(lines[1] ?? '', /^ {2}1\. a C\+\+20 compiler: c\+\+ was not found\. .*apt install g\+\+/)
    assert.match(lines[2] ?? '', /^ {2}2\. cmake .*apt install cmake/)
    assert.match(lines[3] ?? '', /^ {2}3\. ninja or make\. .*apt install ninja-build/)
    assert.equal(lines.length, 4)
  })

  test('g++ 11: the version that is wanted and the one that is there', () => {
    tool('c++', 'case "$1" in -dump*) echo 11.4.0;; *) echo "g++ 11.4.0";; esac')
    tool('cmake', 'exit 0')
    tool('ninja', 'exit 0')
    const { status, lines } = install({ LIBTORCH: libtorch('2.13') })
    assert.equal(status, 1)
    assert.deepEqual(lines.slice(1), ['  1. g++ 12 or newer: c++ is 11.4.0. Install g++-12 and set CXX=g++-12'])
  })

  test('a LIBTORCH of another version: what is expected, what was found, where, and what to do', () => {
    const old = libtorch('2.3')
    const { status, lines } = install({ LIBTORCH: old })
    assert.equal(status, 1)
    assert.ok(lines.some((line) => line.endsWith('libtorch expects 2.11 … 2.14, found 2.3')))
    assert.ok(lines.includes('Possible solutions:'))
  })

  test('a LibTorch whose library is missing is not taken for one', () => {
    const torn = libtorch('2.13')
    rmSync(join(torn, 'lib/libtorch_cpu.so'))
    const { status, lines } = install({ LIBTORCH: torn })
    assert.equal(status, 1)
    assert.ok(lines.some((line) => line.endsWith('is not whole: lib/libtorch_cpu.so is missing')))
  })

  test('TRIVIUM_SKIP_NATIVE_BUILD installs without an addon', () => {
    assert.deepEqual(install({ TRIVIUM_SKIP_NATIVE_BUILD: '1' }), {
      status: 0,
      lines: ['TRIVIUM_SKIP_NATIVE_BUILD is set: the addon is not built.'],
    })
  })
})
