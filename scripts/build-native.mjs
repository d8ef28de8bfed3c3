#!/usr/bin/env node
// Builds build/Release/trivium.node (and, with --tests, the ctest executables in build/native).
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { locate, remedies, root } from './libtorch.mjs'

const addon = join(root, 'build', 'Release', 'trivium.node')
const stampFile = join(root, 'build', 'Release', 'trivium.stamp')

function sources(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    return entry.isDirectory() ? (entry.name === 'tests' ? [] : sources(path)) : [path]
  })
}

/** A hash of everything the addon is made of: an unchanged one is not built again. */
export function stamp(libtorch) {
  const hash = createHash('sha256').update(`${libtorch.folder} ${libtorch.version} ${libtorch.cuda}`)
  const files = [...sources(join(root, 'native')), ...sources(join(root, 'cmake')), join(root, 'CMakeLists.txt')]
  for (const path of files.sort()) hash.update(path.slice(root.length)).update(readFileSync(path))
  return hash.digest('hex')
}

const works = (command, args = ['--version']) => spawnSync(command, args, { stdio: 'ignore' }).status === 0

/** What the build needs and the machine lacks, with the remedy; empty when all is there. */
export function missingTools() {
  const missing = []
  const compiler = process.env.CXX || 'c++'
  const version = spawnSync(compiler, ['-dumpfullversion', '-dumpversion'], { encoding: 'utf8' })
  if (version.error || version.status !== 0) {
    missing.push(
      `a C++20 compiler: ${compiler} was not found. Debian, Ubuntu: apt install g++ (12 or newer); or set CXX`,
    )
  } else if (
    Number(version.stdout.split('.')[0]) < 12 &&
    !/clang/.test(spawnSync(compiler, ['--version'], { encoding: 'utf8' }).stdout)
  ) {
    missing.push(`g++ 12 or newer: ${compiler} is ${version.stdout.trim()}. Install g++-12 and set CXX=g++-12`)
  }
  if (!works('cmake')) missing.push('cmake 3.18 or newer: it was not found. Debian, Ubuntu: apt install cmake')
  if (!works('ninja') && !works('make')) missing.push('ninja or make. Debian, Ubuntu: apt install ninja-build')
  return missing
}

function fail(message) {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}

function run(command, args) {
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  if (result.status !== 0)
    fail(`${command} ${args.slice(0, 2).join(' ')} failed: see above. run-pipeline doctor lists the tools found.`)
}

export function build({ tests = false, force = false } = {}) {
  const { found, tried } = locate()
  if (!found) fail(remedies(tried))
  const current = stamp(found)
  const upToDate = existsSync(addon) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === current
  if (upToDate && !force && !tests) return
  const missing = missingTools()
  if (missing.length > 0)
    fail(['The addon cannot be built. Missing:', ...missing.map((line, i) => `  ${i + 1}. ${line}`)].join('\n'))
  process.stderr.write(
    `Building the addon against LibTorch ${found.version}${found.cuda ? ' (CUDA)' : ''} of ${found.folder}\n`,
  )
  const parallel = String(availableParallelism())
  const generator = works('ninja') ? ['-G', 'Ninja'] : []
  if (!upToDate || force) {
    const cmakeJs = createRequire(import.meta.url).resolve('cmake-js/package.json')
    const bin = join(cmakeJs, '..', JSON.parse(readFileSync(cmakeJs, 'utf8')).bin['cmake-js'])
    run(process.execPath, [
      bin,
      'compile',
      '--config',
      'Release',
      '--parallel',
      parallel,
      ...generator,
      `--CDTRIVIUM_LIBTORCH=${found.folder}`,
    ])
    if (!existsSync(addon)) fail(`the build ended without ${addon}`)
    writeFileSync(stampFile, current)
  }
  if (tests) {
    const folder = join(root, 'build', 'native')
    mkdirSync(folder, { recursive: true })
    const options = ['-DCMAKE_BUILD_TYPE=Release', '-DTRIVIUM_TESTS=ON', `-DTRIVIUM_LIBTORCH=${found.folder}`]
    run('cmake', ['-S', root, '-B', folder, ...generator, ...options])
    run('cmake', ['--build', folder, '--parallel', parallel])
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  build({ tests: process.argv.includes('--tests'), force: process.argv.includes('--force') })
}
