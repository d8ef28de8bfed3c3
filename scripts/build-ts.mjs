#!/usr/bin/env node
// Compiles src/ to dist/, unless it is up to date, and puts the command into node_modules/.bin, where scripts of package.json find it.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { lockBuild } from './build-lock.mjs'
import { root } from './libtorch.mjs'

const main = join(root, 'dist', 'cli', 'main.js')

let typescript
try {
  typescript = createRequire(import.meta.url).resolve('typescript/package.json')
} catch {
  if (existsSync(main)) process.exit(0) // installed without development dependencies, from a package that ships dist/
  process.stderr.write(
    'TypeScript is not installed and dist/ is missing: run npm ci with its development dependencies.\n',
  )
  process.exit(1)
}
const compiler = join(dirname(typescript), 'bin', 'tsc')

/** A hash of everything that dist/ is made of: an unchanged one is not compiled again. */
function stamp() {
  const hash = createHash('sha256')
    .update(readFileSync(join(root, 'tsconfig.json')))
    .update(readFileSync(typescript))
  for (const path of readdirSync(join(root, 'src'), { recursive: true }).sort()) {
    if (path.endsWith('.ts')) hash.update(path).update(readFileSync(join(root, 'src', path)))
  }
  return hash.digest('hex')
}

function compile() {
  // Compiled beside and put in place whole: a program that runs from dist/ meanwhile, or an error in the code, loses nothing.
  const fresh = join(root, `dist.${process.pid}`)
  const options = ['-p', join(root, 'tsconfig.json'), '--outDir', fresh]
  const result = spawnSync(process.execPath, [compiler, ...options], { stdio: 'inherit' })
  if (result.status !== 0) {
    rmSync(fresh, { recursive: true, force: true })
    process.exit(result.status ?? 1)
  }
  chmodSync(join(fresh, 'cli', 'main.js'), 0o755)
  writeFileSync(join(fresh, '.stamp'), current)
  const old = `${fresh}.old`
  if (existsSync(join(root, 'dist'))) renameSync(join(root, 'dist'), old)
  renameSync(fresh, join(root, 'dist'))
  rmSync(old, { recursive: true, force: true })
}

lockBuild()
const current = stamp()
const stampFile = join(root, 'dist', '.stamp')
if (!existsSync(stampFile) || readFileSync(stampFile, 'utf8') !== current) compile()

// npm links the commands of dependencies, not those of the package itself.
const bin = join(root, 'node_modules', '.bin')
const link = join(bin, 'run-pipeline')
mkdirSync(bin, { recursive: true })
if (lstatSync(link, { throwIfNoEntry: false })) rmSync(link)
symlinkSync(join('..', '..', 'dist', 'cli', 'main.js'), link)
