/** The project's own source files and what they refer to, for the tests of this folder. */
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

export const root: string = fileURLToPath(new URL('../../..', import.meta.url))

/** One file that refers to another, both relative to the project with forward slashes. */
export interface Edge {
  readonly from: string
  readonly to: string
}

const posix = (path: string): string => relative(root, path).split(sep).join('/')

/** Files below `folder` whose name ends with one of `endings`, relative to the project, in order. */
export function filesBelow(folder: string, endings: readonly string[]): string[] {
  const path = join(root, folder)
  if (!existsSync(path)) return []
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter((name) => endings.some((ending) => name.endsWith(ending)))
    .map((name) => posix(join(path, name)))
    .sort()
}

export function textOf(file: string): string {
  return readFileSync(join(root, file), 'utf8')
}

/** What a TypeScript text imports by a relative path (also `export … from`, `import type`, `import()`), seen from `file`. */
export function relativeImports(file: string, text: string): Edge[] {
  return ts
    .preProcessFile(text, true, true)
    .importedFiles.map((imported) => imported.fileName)
    .filter((name) => name.startsWith('.'))
    .map((name) => ({ from: file, to: posix(resolve(root, dirname(file), name)) }))
}

export function importsOfProject(): Edge[] {
  return filesBelow('src', ['.ts']).flatMap((file) => relativeImports(file, textOf(file)))
}

/** What a C++ text includes with quotes: a bare name lies beside the file, a path starts at native/. */
export function quotedIncludes(file: string, text: string): Edge[] {
  return [...text.matchAll(/^\s*#\s*include\s+"([^"]+)"/gm)].map((match) => {
    const name = match[1]!
    return { from: file, to: name.includes('/') ? `native/${name}` : `${dirname(file)}/${name}` }
  })
}

export function includesOfProject(): Edge[] {
  return filesBelow('native', ['.h', '.cc', '.cu', '.cuh']).flatMap((file) => quotedIncludes(file, textOf(file)))
}

/** "losses" of src/losses/supcon.ts, "" of src/index.ts. */
export function folderOf(file: string): string {
  const parts = file.split('/')
  return parts.length > 2 ? parts[1]! : ''
}

export const show = (edge: Edge): string => `${edge.from} → ${edge.to}`
