#!/usr/bin/env node
// Builds build/Release/trivium.node; with --tests the ctest executables too, in the same tree. --force builds what is up to date.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism, totalmem } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { lockBuild } from './build-lock.mjs'
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

/** Ends the process with numbered remedies when the machine lacks a tool. */
export function requireTools() {
  const missing = missingTools()
  if (missing.length === 0) return
  fail(['The addon cannot be built. Missing:', ...missing.map((line, i) => `  ${i + 1}. ${line}`)].join('\n'))
}

/** One compiler for each processor, but no more than memory holds: a file with LibTorch's headers takes up to 1.5 GB. */
function jobs() {
  const limit = process.constrainedMemory?.() || Infinity
  return Math.max(1, Math.min(availableParallelism(), Math.floor(Math.min(totalmem(), limit) / 1.5e9)))
}

/** cmake-js without its `compile`, which answers an error in the code by building everything once more. */
function cmakeJs(action, options) {
  const manifest = createRequire(import.meta.url).resolve('cmake-js/package.json')
  const bin = join(manifest, '..', JSON.parse(readFileSync(manifest, 'utf8')).bin['cmake-js'])
  const generator = works('ninja') ? ['-G', 'Ninja'] : []
  const command = [bin, action, '--config', 'Release', ...generator, ...options]
  return spawnSync(process.execPath, command, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] }).status === 0
}

function configure(libtorch, tests) {
  const options = [`--CDTRIVIUM_LIBTORCH=${libtorch.folder}`, ...(tests ? ['--CDTRIVIUM_TESTS=ON'] : [])]
  const cache = join(root, 'build', 'CMakeCache.txt')
  const configured = existsSync(cache)
  if (cmakeJs('configure', options)) return true
  if (!configured) return false
  // A cache of another generator, compiler or place: CMake refuses to change those.
  process.stderr.write('Configuring again without the earlier cache\n')
  rmSync(cache)
  rmSync(join(root, 'build', 'CMakeFiles'), { recursive: true, force: true })
  return cmakeJs('configure', options)
}

/** Null when the addon loads in a process of its own, else the reason. */
function loadProblem() {
  const result = spawnSync(process.execPath, ['-e', 'require(process.argv[1])', addon], {
    encoding: 'utf8',
    timeout: 120_000,
  })
  if (result.status === 0) return null
  const lines = (result.stderr ?? '').split('\n')
  return (
    lines.find((line) => line.includes('Error:')) ??
    result.error?.message ??
    `ended by ${result.signal ?? result.status}`
  )
}

export function build({ tests = false, force = false } = {}) {
  lockBuild()
  const { found, tried } = locate()
  if (!found) fail(remedies(tried))
  const current = stamp(found)
  const upToDate = existsSync(addon) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === current
  if (upToDate && !force && !tests) return
  requireTools()
  const kind = found.cuda ? ' (CUDA)' : ''
  process.stderr.write(`Building the addon against LibTorch ${found.version}${kind} of ${found.folder}\n`)
  const target = tests ? [] : ['--target', 'trivium']
  if (!configure(found, tests) || !cmakeJs('build', ['--parallel', String(jobs()), ...target])) {
    fail(
      'The build failed: see above. npx run-pipeline doctor lists the tools found; docs/troubleshooting.md has what helps.',
    )
  }
  if (!existsSync(addon)) fail(`The build ended without ${addon}`)
  const problem = loadProblem()
  if (problem) {
    fail(
      [
        `The addon was built but does not load: ${problem}`,
        'Possible solutions:',
        `  1. check that ${found.folder}/lib is whole and readable; for a CUDA build also that the NVIDIA packages lie beside it`,
        '  2. npm run build:native -- --force                      (after LibTorch was replaced)',
        '  3. LIBTORCH=/path/to/another npm run build:native',
      ].join('\n'),
    )
  }
  writeFileSync(stampFile, current)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  build({ tests: process.argv.includes('--tests'), force: process.argv.includes('--force') })
}
