#!/usr/bin/env node
// Compiles src/ to dist/ and puts the command where `npx run-pipeline` finds it in a checkout.
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, lstatSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
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
rmSync(join(root, 'dist'), { recursive: true, force: true })
const result = spawnSync(process.execPath, [compiler, '-p', join(root, 'tsconfig.json')], { stdio: 'inherit' })
if (result.status !== 0) process.exit(result.status ?? 1)
chmodSync(main, 0o755)

// npm links the commands of dependencies, not those of the package itself.
const bin = join(root, 'node_modules', '.bin')
const link = join(bin, 'run-pipeline')
mkdirSync(bin, { recursive: true })
if (lstatSync(link, { throwIfNoEntry: false })) rmSync(link)
symlinkSync(join('..', '..', 'dist', 'cli', 'main.js'), link)
