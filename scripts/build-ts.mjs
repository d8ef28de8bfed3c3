#!/usr/bin/env node
// Compiles src/ to dist/ and puts the command where `npx run-pipeline` finds it in a checkout.
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, lstatSync, mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const main = join(root, 'dist', 'cli', 'main.js')

let compiler
try {
  compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc')
} catch {
  if (existsSync(main)) process.exit(0) // installed without development dependencies, from a package that ships dist/
  process.stderr.write(
    'TypeScript is not installed and dist/ is missing: run npm ci with its development dependencies.\n',
  )
  process.exit(1)
}
// Compiled beside and put in place whole: a program that runs from dist/ meanwhile, or an error in the code, loses nothing.
const fresh = join(root, `dist.${process.pid}`)
const options = ['-p', join(root, 'tsconfig.json'), '--outDir', fresh]
const result = spawnSync(process.execPath, [compiler, ...options], { stdio: 'inherit' })
if (result.status !== 0) {
  rmSync(fresh, { recursive: true, force: true })
  process.exit(result.status ?? 1)
}
chmodSync(join(fresh, 'cli', 'main.js'), 0o755)
const old = `${fresh}.old`
if (existsSync(join(root, 'dist'))) renameSync(join(root, 'dist'), old)
renameSync(fresh, join(root, 'dist'))
rmSync(old, { recursive: true, force: true })

// npm links the commands of dependencies, not those of the package itself.
const bin = join(root, 'node_modules', '.bin')
const link = join(bin, 'run-pipeline')
mkdirSync(bin, { recursive: true })
if (lstatSync(link, { throwIfNoEntry: false })) rmSync(link)
symlinkSync(join('..', '..', 'dist', 'cli', 'main.js'), link)
