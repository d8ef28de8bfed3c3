/** What a machine has and lacks for building and running Trivium. Nothing here loads the addon into this process. */

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile, statfs } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { availableParallelism, freemem, totalmem } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { addonPath } from '../binding/index.ts'
import { packageFile } from '../util/package-root.ts'

const execute = promisify(execFile)

export type CheckStatus = 'ok' | 'warning' | 'missing'

export interface Check {
  readonly name: string
  readonly status: CheckStatus
  readonly detail: string
  /** What to do when the status is not ok. */
  readonly remedy: string | null
  /** The same as data, for --json. */
  readonly data?: Readonly<Record<string, unknown>>
}

/** Every check, in the order in which trouble is best mended. */
export async function examine(): Promise<Check[]> {
  const [libtorch, addon, compiler, cmake, ninja, runtime, images, disk] = await Promise.all([
    libtorchCheck(),
    addonCheck(),
    toolCheck('g++', ['--version'], 'apt-get install g++ (12 or newer)'),
    toolCheck('cmake', ['--version'], 'apt-get install cmake (3.18 or newer)'),
    optionalToolCheck('ninja', ['--version'], 'apt-get install ninja-build (builds start a little faster)'),
    packageCheck(
      'onnxruntime-node',
      'export and predict need it: npm install --ignore-scripts onnxruntime-node@1.30.0',
    ),
    packageCheck('sharp', 'npm install sharp (reads JPEG, PNG, WebP …)'),
    diskCheck(),
  ])
  return [nodeCheck(), libtorch, addon, compiler, cmake, ninja, runtime, images, machineCheck(), disk]
}

function nodeCheck(): Check {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const fits = major > 20 || (major === 20 && minor >= 19)
  return {
    name: 'Node.js',
    status: fits ? 'ok' : 'missing',
    detail: `${process.versions.node} (Node-API ${process.versions['napi'] ?? '?'}), ${process.platform} ${process.arch}`,
    remedy: fits ? null : 'install Node.js 20.19 or newer',
    data: { version: process.versions.node, platform: process.platform, arch: process.arch },
  }
}

/** The addon is loaded in a child: one built for another processor ends the process that loads it. */
async function addonCheck(): Promise<Check> {
  const path = addonPath()
  const rebuild = 'npm run build:native'
  if (!existsSync(path))
    return {
      name: 'addon',
      status: 'missing',
      detail: `not built: ${path}`,
      remedy: rebuild,
      data: { path, built: false },
    }
  const script = `const a = require(process.argv[1]); console.log(JSON.stringify({ ...a.versions(), threads: a.getThreads(), jpeg: a.jpegLibrary() }))`
  try {
    const { stdout } = await execute(process.execPath, ['-e', script, path], { timeout: 60_000 })
    const facts = JSON.parse(stdout) as {
      libtorch: string
      cudaBuild: boolean
      cudaDevices: number
      threads: number
      jpeg: string
    }
    const jpeg = facts.jpeg || 'sharp (libjpeg-turbo’s headers were not there when it was built)'
    const devices =
      facts.cudaDevices > 0 ? `cpu and ${facts.cudaDevices} CUDA device${facts.cudaDevices === 1 ? '' : 's'}` : 'cpu'
    return {
      name: 'addon',
      status: 'ok',
      detail: `${path}; LibTorch ${facts.libtorch}${facts.cudaBuild ? ' with CUDA' : ''}; devices: ${devices}; ${facts.threads} threads; JPEG: ${jpeg}`,
      remedy: null,
      data: { path, built: true, ...facts },
    }
  } catch (error) {
    const reason = lastLine(error)
    return {
      name: 'addon',
      status: 'missing',
      detail: `${path} does not load: ${reason}`,
      remedy: rebuild,
      data: { path, built: true, reason },
    }
  }
}

/** What scripts/libtorch.mjs exports: the build and this check look at the same places in the same order. */
interface LibtorchScript {
  readonly pinned: string
  locate(): {
    readonly found: { folder: string; version: string; source: string; cuda: boolean } | null
    readonly tried: readonly string[]
  }
}

async function libtorchCheck(): Promise<Check> {
  const script = (await import(pathToFileURL(packageFile('scripts/libtorch.mjs')).href)) as LibtorchScript
  const { found, tried } = script.locate()
  if (found !== null) {
    return {
      name: 'LibTorch',
      status: 'ok',
      detail: `${found.version}${found.cuda ? ' with CUDA' : ' (CPU)'} at ${found.folder} (${found.source})`,
      remedy: null,
      data: { ...found, tried },
    }
  }
  return {
    name: 'LibTorch',
    status: 'missing',
    detail: `not found; ${tried.join('; ')}`,
    remedy: `node scripts/install.mjs (obtains ${script.pinned}), or set LIBTORCH to an unpacked one (unset it when it is not meant)`,
    data: { folder: null, tried },
  }
}

async function toolCheck(name: string, args: readonly string[], remedy: string): Promise<Check> {
  const command = name === 'g++' ? (process.env['CXX'] ?? name) : name
  try {
    const { stdout } = await execute(command, [...args], { timeout: 20_000 })
    const version = /\d+(\.\d+)+/.exec(stdout)?.[0] ?? stdout.split('\n', 1)[0]
    return { name, status: 'ok', detail: String(version), remedy: null, data: { version } }
  } catch {
    return { name, status: 'missing', detail: 'not found', remedy, data: { version: null } }
  }
}

async function optionalToolCheck(name: string, args: readonly string[], remedy: string): Promise<Check> {
  const check = await toolCheck(name, args, remedy)
  return check.status === 'missing' ? { ...check, status: 'warning', detail: 'not found; make is used instead' } : check
}

async function packageCheck(name: string, remedy: string): Promise<Check> {
  const script = `import(process.argv[1]).then(() => process.exit(0), (e) => { console.error(e.message); process.exit(1) })`
  try {
    const from = createRequire(import.meta.url)
    const entry = from.resolve(name)
    await execute(process.execPath, ['-e', script, entry], { timeout: 60_000 })
    const version = await versionOf(entry, name)
    return { name, status: 'ok', detail: version, remedy: null, data: { version } }
  } catch (error) {
    return { name, status: 'missing', detail: lastLine(error), remedy, data: { version: null } }
  }
}

/** The version in the package.json of the package that `entry` belongs to. */
async function versionOf(entry: string, name: string): Promise<string> {
  const marker = join('node_modules', ...name.split('/'))
  const folder = entry.slice(0, entry.lastIndexOf(marker) + marker.length)
  const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { version: string }
  return manifest.version
}

function machineCheck(): Check {
  const threads = availableParallelism()
  const [free, total] = [freemem(), totalmem()].map((bytes) => Math.round(bytes / 2 ** 20)) as [number, number]
  return {
    name: 'machine',
    status: total < 2000 ? 'warning' : 'ok',
    detail: `${threads} threads, ${gigabytes(free)} of ${gigabytes(total)} memory free`,
    remedy: total < 2000 ? 'compiling needs about 2 GB' : null,
    data: { threads, memory_free_mb: free, memory_total_mb: total },
  }
}

async function diskCheck(): Promise<Check> {
  const { bavail, bsize } = await statfs('.')
  const free = Math.round((bavail * bsize) / 2 ** 20)
  const low = free < 2000
  return {
    name: 'disk',
    status: low ? 'warning' : 'ok',
    detail: `${gigabytes(free)} free in ${process.cwd()}`,
    remedy: low ? 'LibTorch, a data set and snapshots need about 2 GB' : null,
    data: { free_mb: free },
  }
}

function gigabytes(megabytes: number): string {
  return `${(megabytes / 1024).toFixed(1)} GB`
}

function lastLine(error: unknown): string {
  const text = String((error as { stderr?: string }).stderr ?? '').trim() || (error as Error).message
  return (
    text
      .split('\n')
      .findLast((line) => /error|cannot|undefined|not found/i.test(line))
      ?.trim() ??
    text.split('\n', 1)[0] ??
    text
  )
}
