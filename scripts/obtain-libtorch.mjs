// Downloads the pinned LibTorch to .libtorch/, all or nothing. Only install.mjs calls it, and only where no fitting one was found.
//
// Ways, first that works:
//   1. pip, from the CPU wheels of the PyTorch site
//   2. pip, from the configured package index
//   3. the official LibTorch archive
//   4. the package index without pip            (PIP_INDEX_URL, else the public one)
// A package index has a CUDA build for Linux on x86-64. Where there is no NVIDIA driver its CUDA part is thrown away and the two small
// libraries that even its CPU part links come with it; where there is one, the wheels that it names come whole.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { pinned, root, versionOf } from './libtorch.mjs'

const python = () => process.env.TORCH_PYTHON || 'python3'
const lastLine = (text) => (text ?? '').trim().split('\n').at(-1) ?? ''

/** What the CPU part of a CUDA wheel links, so that it loads where nothing of CUDA is installed. */
const CUDA_RUNTIME = ['nvidia-cuda-runtime', 'nvidia-cuda-cupti']
const CUDA_MAJOR = 13
/** Below this a libtorch_cpu.so is not whole. */
const LEAST_BYTES = 50e6

/** The wheels of a package index for this machine: `(name, accepts(version)) → path of the downloaded wheel`. */
function withPip(flags) {
  return (work, name, range) => {
    const before = new Set(readdirSync(work))
    const quiet = ['--quiet', '--disable-pip-version-check', '--no-deps', '--only-binary=:all:']
    const patience = ['--retries', '1', '--timeout', '20']
    const command = ['-m', 'pip', 'download', ...quiet, ...patience, '--dest', work, ...flags, `${name}${range}`]
    const result = spawnSync(python(), command, { encoding: 'utf8' })
    const wheel = readdirSync(work).find((file) => file.endsWith('.whl') && !before.has(file))
    if (result.status !== 0 || !wheel) throw new Error(result.error?.message ?? lastLine(result.stderr))
    return join(work, wheel)
  }
}

/** The same without pip: the index's page, the file and its SHA-256 as the page gives it. */
export function withoutPip(index) {
  return async (work, name, range) => {
    const page = await get(`${index.replace(/\/$/, '')}/${name}/`)
    const file = newest(wheelsIn(await page.text(), page.url), range)
    if (!file) throw new Error(`no ${name}${range} for ${process.platform} ${process.arch}`)
    const path = join(work, file.name)
    await save(file.url, path, file.sha256)
    return path
  }
}

/** Links to wheels on a page of a package index that fit this machine. */
export function wheelsIn(html, base, arch = process.arch) {
  const machine = { x64: 'x86_64', arm64: 'aarch64' }[arch] ?? arch
  return [...html.matchAll(/<a\s[^>]*href="([^"]+)"/g)].flatMap(([, href]) => {
    const url = new URL(href.replaceAll('&amp;', '&'), base)
    const name = decodeURIComponent(basename(url.pathname))
    const version = /^[^-]+-([0-9.]+)(?:\+[^-]*)?-.*\.whl$/.exec(name)?.[1]
    const fits =
      version && (name.endsWith('-any.whl') || (name.includes('manylinux') && name.endsWith(`_${machine}.whl`)))
    const sha256 = /sha256=([0-9a-f]{64})/.exec(url.hash)?.[1]
    return fits && sha256 ? [{ name, version, sha256, url: url.href.split('#')[0] }] : []
  })
}

const numbers = (version) => version.split('.').map(Number)

function compareVersions(a, b) {
  const [x, y] = [numbers(a), numbers(b)]
  for (let i = 0; i < Math.max(x.length, y.length); i++) {
    if ((x[i] ?? 0) !== (y[i] ?? 0)) return (x[i] ?? 0) - (y[i] ?? 0)
  }
  return 0
}

/** Whether `version` is in a range as packages write it: "==2.13.0", "==13.0.88.*", ">=13,<14". */
export function inRange(version, range) {
  return range.split(',').every((part) => {
    const [, sign, limit] = /^\s*(==|>=|<=|<|>)\s*([0-9.]+?)(?:\.\*)?\s*$/.exec(part) ?? []
    if (sign === undefined) throw new Error(`the version range "${range}" cannot be read`)
    if (part.includes('*')) return numbers(limit).every((number, i) => number === (numbers(version)[i] ?? 0))
    const order = compareVersions(version, limit)
    return { '==': order === 0, '>=': order >= 0, '<=': order <= 0, '<': order < 0, '>': order > 0 }[sign]
  })
}

/** The newest of `files` whose version is in `range`. */
export const newest = (files, range) =>
  files
    .filter((file) => inRange(file.version, range))
    .sort((a, b) => compareVersions(a.version, b.version))
    .at(-1)

async function get(url, milliseconds = 20_000) {
  const response = await fetch(url, { signal: AbortSignal.timeout(milliseconds) }).catch((error) => {
    throw new Error(`${url}: ${error.cause?.message ?? error.message}`)
  })
  if (!response.ok) throw new Error(`${url}: HTTP ${response.status}`)
  return response
}

async function save(url, path, sha256) {
  const response = await get(url, 60 * 60_000)
  const hash = createHash('sha256')
  const counted = async function* (source) {
    for await (const chunk of source) {
      hash.update(chunk)
      yield chunk
    }
  }
  await pipeline(Readable.fromWeb(response.body), counted, createWriteStream(path))
  const length = Number(response.headers.get('content-length') ?? 0)
  if (length > 0 && statSync(path).size !== length)
    throw new Error(`${url}: ${statSync(path).size} of ${length} bytes came`)
  const got = hash.digest('hex')
  if (sha256 && got !== sha256) throw new Error(`${url}: expected SHA-256 ${sha256} but got ${got}`)
}

/** Unpacks `members` (folders and files) of a zip. CMake is needed for the build in any case; Python and unzip are not. */
function unpack(archive, folder, members) {
  const result = spawnSync('cmake', ['-E', 'tar', 'xf', archive, ...members], { cwd: folder, encoding: 'utf8' })
  rmSync(archive)
  if (result.status !== 0)
    throw new Error(`${basename(archive)} does not unpack: ${result.error?.message ?? lastLine(result.stderr)}`)
}

const isCudaBuild = (libtorch) => existsSync(join(libtorch, 'lib', 'libtorch_cuda.so'))
const hasNvidiaDriver = () => existsSync('/proc/driver/nvidia/version') || existsSync('/dev/nvidiactl')

/** `torch`'s wheel and what it links, unpacked into `work`/torch and `work`/nvidia. */
export async function fromWheels(work, download, log) {
  const wheel = await download(work, 'torch', `==${pinned}`)
  unpack(wheel, work, [
    'torch/include',
    'torch/lib',
    'torch/share/cmake',
    'torch/version.py',
    `torch-*.dist-info/METADATA`,
  ])
  const libtorch = join(work, 'torch')
  if (!isCudaBuild(libtorch)) return
  let needed = CUDA_RUNTIME.map((name) => [name, `>=${CUDA_MAJOR},<${CUDA_MAJOR + 1}`])
  if (hasNvidiaDriver()) {
    needed = await cudaPackages(work, download)
    log(`This build has CUDA; so ${needed.length} of NVIDIA's packages have to come too (about 2 GB) …`)
  } else {
    log('There is no NVIDIA driver here: the CPU part of this build is kept')
    for (const name of readdirSync(join(libtorch, 'lib'))) {
      if (/cuda|nvshmem|nvrtc|cudnn/.test(name)) rmSync(join(libtorch, 'lib', name))
    }
  }
  for (const [name, range] of needed) unpack(await download(work, name, range), work, ['nvidia'])
}

function metadataIn(work, prefix) {
  const folder = readdirSync(work).find((name) => name.startsWith(prefix) && name.endsWith('.dist-info'))
  return folder ? readFileSync(join(work, folder, 'METADATA'), 'utf8') : ''
}

/**
 * NVIDIA's packages that a wheel's METADATA asks for on Linux, with their versions: those named directly, and with `extras` those of
 * the named extras (cuda-toolkit is only a list of extras).
 */
export function cudaRequirements(metadata, extras = []) {
  const named = new Map()
  for (const [, requirement, marker = ''] of metadata.matchAll(/^Requires-Dist: ([^;\n]+)(?:;(.*))?$/gm)) {
    const [, name, range] = /^(nvidia-[a-z0-9-]+)\s*\(?([^)]*?)\)?\s*$/.exec(requirement) ?? []
    const extra = /extra == ['"]([^'"]+)['"]/.exec(marker)?.[1]
    if (name && (extra === undefined || extras.includes(extra))) named.set(name, range)
  }
  return [...named]
}

/** The toolkit's version and extras that torch's METADATA asks for; null when it names NVIDIA's packages one by one. */
export function cudaToolkit(metadata) {
  const match = /^Requires-Dist: cuda-toolkit\[([^\]]+)\]\s*\(?(==[0-9.]+)/m.exec(metadata)
  return match && { extras: match[1].split(',').map((name) => name.trim()), range: match[2] }
}

async function cudaPackages(work, download) {
  const torch = metadataIn(work, 'torch-')
  const toolkit = cudaToolkit(torch)
  if (!toolkit) return cudaRequirements(torch)
  unpack(await download(work, 'cuda-toolkit', toolkit.range), work, ['cuda_toolkit-*.dist-info/METADATA'])
  return [...cudaRequirements(torch), ...cudaRequirements(metadataIn(work, 'cuda_toolkit-'), toolkit.extras)]
}

/** The official archive: libtorch/ with include and lib; there is one for Linux on x86-64. */
async function fromArchive(work) {
  const name = `libtorch-shared-with-deps-${pinned}%2Bcpu.zip`
  const archive = join(work, 'libtorch.zip')
  await save(`https://download.pytorch.org/libtorch/cpu/${name}`, archive, null)
  unpack(archive, work, ['libtorch/include', 'libtorch/lib', 'libtorch/share/cmake'])
  renameSync(join(work, 'libtorch'), join(work, 'torch'))
}

/** Null when `libtorch` is whole, else what is wrong with it. */
export function damage(libtorch) {
  const version = versionOf(libtorch)
  if (version === null) return 'it holds no include/torch'
  if (!pinned.startsWith(`${version}.`)) return `expected version ${pinned} but got ${version}`
  for (const name of ['libtorch_cpu.so', 'libc10.so']) {
    if (!existsSync(join(libtorch, 'lib', name))) return `lib/${name} is missing`
  }
  const bytes = statSync(join(libtorch, 'lib', 'libtorch_cpu.so')).size
  return bytes < LEAST_BYTES ? `lib/libtorch_cpu.so has only ${bytes} bytes` : null
}

/** Folders that an interrupted download left; another install may be at work in a young one. */
function sweep(projectRoot) {
  for (const name of readdirSync(projectRoot)) {
    const path = join(projectRoot, name)
    const old = name.startsWith('.libtorch-') && Date.now() - statSync(path).mtimeMs > 24 * 3600_000
    if (old) rmSync(path, { recursive: true, force: true })
  }
}

/** Every way that this machine has, first the one to prefer: [what it is called, (work) => makes work/torch]. */
function waysHere(log) {
  const wheels = (download) => (work) => fromWheels(work, download, log)
  const hasPip = spawnSync(python(), ['-m', 'pip', '--version']).status === 0
  const ways = hasPip
    ? [
        [
          'the CPU wheels of the PyTorch site',
          wheels(withPip(['--index-url', 'https://download.pytorch.org/whl/cpu'])),
        ],
        ['the configured Python package index', wheels(withPip([]))],
      ]
    : [[`pip of ${python()}`, () => Promise.reject(new Error('not there: apt install python3-pip'))]]
  const index = process.env.PIP_INDEX_URL || 'https://pypi.org/simple'
  if (process.platform === 'linux' && process.arch === 'x64') ways.push(['the official LibTorch archive', fromArchive])
  if (process.platform === 'linux') ways.push(['the Python package index, without pip', wheels(withoutPip(index))])
  return ways
}

/** @returns {Promise<string[]>} empty when .libtorch/ now holds LibTorch, else what each way failed of */
export async function obtain(
  projectRoot = root,
  log = (line) => process.stderr.write(`${line}\n`),
  ways = waysHere(log),
) {
  if (spawnSync('cmake', ['--version']).status !== 0) {
    return ['unpacking needs cmake, which was not found: apt install cmake']
  }
  mkdirSync(projectRoot, { recursive: true })
  sweep(projectRoot)
  const failures = []
  for (const [label, way] of ways) {
    const work = mkdtempSync(join(projectRoot, '.libtorch-'))
    try {
      log(`LibTorch ${pinned}: ${label} …`)
      await way(work)
      const wrong = damage(join(work, 'torch'))
      if (wrong) throw new Error(wrong)
      for (const name of readdirSync(work)) {
        if (name !== 'torch' && name !== 'nvidia') rmSync(join(work, name), { recursive: true })
      }
      chmodSync(work, 0o755) // mkdtemp makes it private; another user may run what root installed
      const target = join(projectRoot, '.libtorch')
      rmSync(target, { recursive: true, force: true })
      renameSync(work, target)
      return []
    } catch (error) {
      failures.push(`${label}: ${error.message}`)
    } finally {
      rmSync(work, { recursive: true, force: true })
    }
  }
  return failures
}
