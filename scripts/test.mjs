// Runs every test file with node:test, TypeScript loaded by tsx; the last line is `N passed, N failed, N skipped`.
//
//   npm test                          all
//   npm test -- tests/unit/losses     files and folders
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

function testsIn(path) {
  if (!existsSync(path)) throw new Error(`no such test file or folder: ${relative(root, path)}`)
  if (!statSync(path).isDirectory()) return [path]
  return readdirSync(path, { recursive: true })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => join(path, name))
}

const asked = process.argv.slice(2)
const files = (asked.length > 0 ? asked.map((path) => resolve(path)) : [join(root, 'tests')]).flatMap(testsIn).sort()

// Decoded pictures of tests are kept apart from the user's.
const cache = mkdtempSync(join(tmpdir(), 'trivium-cache-'))
process.env.TRIVIUM_CACHE = cache
process.on('exit', () => rmSync(cache, { recursive: true, force: true }))

const totals = new Map()
const stream = run({ files, concurrency: 2, timeout: 20 * 60_000 })
stream.on('test:diagnostic', ({ message, nesting }) => {
  const [name, count] = message.split(' ')
  if (nesting === 0 && /^\d+$/.test(count ?? '')) totals.set(name, Number(count))
})
stream.compose(spec).pipe(process.stdout)
stream.on('end', () => {
  const passed = totals.get('pass') ?? 0
  const failed = (totals.get('fail') ?? 0) + (totals.get('cancelled') ?? 0)
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0
  // After the reporter's own last lines.
  process.on('exit', () =>
    process.stdout.write(`${passed} passed, ${failed} failed, ${totals.get('skipped') ?? 0} skipped\n`),
  )
})
