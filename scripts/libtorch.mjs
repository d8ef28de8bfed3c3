// Finds LibTorch: LIBTORCH → the torch of TORCH_PYTHON or python3 → a copy under .libtorch/ (which obtain-libtorch.mjs makes).
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
export const pinned = '2.13.0'
export const oldest = [2, 11]
export const newest = [2, 14]

/** The folder with include/ and lib/: `folder` itself, or its torch/ or libtorch/. Null when it is none. */
export function libtorchIn(folder) {
  for (const candidate of [folder, join(folder, 'torch'), join(folder, 'libtorch')]) {
    if (existsSync(join(candidate, 'include', 'torch', 'csrc', 'api', 'include', 'torch', 'types.h'))) {
      return realpathSync(candidate)
    }
  }
  return null
}

/** "2.13" of a LibTorch folder, from its headers; null when they do not say. */
export function versionOf(folder) {
  for (const header of ['torch/headeronly/version.h', 'torch/csrc/api/include/torch/version.h']) {
    const path = join(folder, 'include', header)
    if (!existsSync(path)) continue
    const text = readFileSync(path, 'utf8')
    const major = /TORCH_VERSION_MAJOR\s+(\d+)/.exec(text)?.[1]
    const minor = /TORCH_VERSION_MINOR\s+(\d+)/.exec(text)?.[1]
    if (major && minor) return `${major}.${minor}`
  }
  return null
}

/** Null when the version fits, else what is wrong with it. */
export function versionProblem(version) {
  if (version === null) return 'its headers name no version'
  const [major, minor] = version.split('.').map(Number)
  const number = major * 1000 + minor
  const fits = number >= oldest[0] * 1000 + oldest[1] && number <= newest[0] * 1000 + newest[1]
  return fits ? null : `expects ${oldest.join('.')} … ${newest.join('.')}, found ${version}`
}

export const hasCuda = (folder) => existsSync(join(folder, 'lib', 'libtorch_cuda.so'))

function pythonTorch(environment) {
  const python = environment.TORCH_PYTHON || 'python3'
  const code =
    'import importlib.util as u; s = u.find_spec("torch"); print(s.submodule_search_locations[0] if s else "")'
  const result = spawnSync(python, ['-c', code], { encoding: 'utf8', env: environment })
  if (result.error) return { python, problem: 'not found' }
  const folder = result.stdout?.trim()
  return folder ? { python, folder } : { python, problem: 'has no torch' }
}

/**
 * The first LibTorch that fits, and every place that was tried.
 * @returns {{ found: { folder: string, version: string, source: string, cuda: boolean } | null, tried: string[] }}
 */
export function locate(environment = process.env, projectRoot = root) {
  const tried = []
  const check = (source, folder) => {
    const libtorch = libtorchIn(folder)
    if (!libtorch) {
      tried.push(`${source}: ${folder} has no include/torch`)
      return null
    }
    const version = versionOf(libtorch)
    const library = join('lib', process.platform === 'darwin' ? 'libtorch_cpu.dylib' : 'libtorch_cpu.so')
    const problem =
      versionProblem(version) ?? (existsSync(join(libtorch, library)) ? null : `is not whole: ${library} is missing`)
    tried.push(`${source}: ${libtorch} ${problem ?? `is LibTorch ${version}`}`)
    return problem ? null : { folder: libtorch, version, source, cuda: hasCuda(libtorch) }
  }
  if (environment.LIBTORCH) {
    // Asked for by name: another copy must not take its place silently.
    return { found: check('LIBTORCH', resolve(environment.LIBTORCH)), tried, fixed: true }
  }
  tried.push('LIBTORCH: not set')
  const { python, folder, problem } = pythonTorch(environment)
  const fromPython = folder ? check(`torch of ${python}`, folder) : (tried.push(`torch of ${python}: ${problem}`), null)
  if (fromPython) return { found: fromPython, tried }
  return { found: check('.libtorch', join(projectRoot, '.libtorch')), tried }
}

export function remedies(tried) {
  return [
    `No usable LibTorch (${oldest.join('.')} … ${newest.join('.')}). Places tried:`,
    ...tried.map((line) => `  - ${line}`),
    'Possible solutions:',
    `  1. LIBTORCH=/path/to/libtorch npm run build:native      (an unpacked LibTorch or a torch wheel's torch/ folder)`,
    `  2. python3 -m pip install torch==${pinned}                (then npm run build:native finds it)`,
    '  3. node scripts/install.mjs                             (downloads it to .libtorch/; needs a Python package index)',
  ].join('\n')
}
