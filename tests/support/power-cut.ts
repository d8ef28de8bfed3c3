/**
 * A power cut, as a disk may take it: what strace saw of a save is replayed on a model of a disk that keeps of everything that was not
 * fsynced any part. What a file holds is safe once that file is fsynced, a name once its folder is. Until then each write and each change
 * of a name is there or not, in any combination, whatever came before or after it; a write that is lost leaves zeros.
 */
import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'

/** Something on the disk: a folder, a file or a link. */
interface Folder {
  readonly kind: 'folder'
  readonly entries: Map<string, Node>
}
interface File {
  readonly kind: 'file'
  readonly bytes: Buffer
}
interface Link {
  readonly kind: 'link'
  readonly target: string
}
type Node = Folder | File | Link

/** A change that a power cut may undo until `of` is fsynced. */
interface Change {
  readonly of: Node
  /** of a folder: what names stand for then, null for nothing */
  readonly names?: readonly (readonly [folder: Folder, name: string, node: Node | null])[]
  /** of a file: where which bytes were put */
  readonly write?: { readonly at: number; readonly bytes: Buffer }
}

type Step = { readonly change: Change } | { readonly sync: Node }

/** What was done to a folder, from its first state on. */
export interface Recording {
  /** how the folder was before */
  readonly root: Folder
  readonly steps: readonly Step[]
}

/** A folder as it lies on the disk. */
export function readTree(path: string): Folder {
  const entries = new Map<string, Node>()
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const inner = join(path, entry.name)
    if (entry.isDirectory()) entries.set(entry.name, readTree(inner))
    else if (entry.isSymbolicLink()) entries.set(entry.name, { kind: 'link', target: readlinkSync(inner) })
    else entries.set(entry.name, { kind: 'file', bytes: readFileSync(inner) })
  }
  return { kind: 'folder', entries }
}

/**
 * @param before the folder before, as `readTree` gives it
 * @param folder its path in the log
 * @param log    of strace -f -y -xx -s <more than a write is long>
 */
export function recordingOf(before: Folder, folder: string, log: string): Recording {
  // As the process sees it: every change is there. The recording itself keeps the first state.
  const seen = new Map<Folder, Map<string, Node>>()
  const entriesOf = (node: Folder): Map<string, Node> => {
    let entries = seen.get(node)
    if (entries === undefined) seen.set(node, (entries = new Map(node.entries)))
    return entries
  }
  const find = (path: string): Node => {
    let node: Node = before
    for (const part of relative(folder, path).split('/')) {
      if (part === '') continue
      const inner: Node | undefined = node.kind === 'folder' ? entriesOf(node).get(part) : undefined
      if (inner === undefined) throw new Error(`the log names ${path}, which nothing made`)
      node = inner
    }
    return node
  }
  const parent = (path: string): Folder => find(dirname(path)) as Folder
  const lengths = new Map<Node, number>()
  const steps: Step[] = []
  const rename = (names: (readonly [Folder, string, Node | null])[]): void => {
    for (const [of, name, node] of names)
      if (node === null) entriesOf(of).delete(name)
      else entriesOf(of).set(name, node)
    steps.push({ change: { of: (names[0] as readonly [Folder, string, Node | null])[0], names } })
  }
  const make = (path: string, node: Node): void => rename([[parent(path), basename(path), node]])
  for (const { name, paths, bytes, created } of callsIn(log)) {
    const [first = '', second = ''] = paths
    if (!(name === 'symlink' ? second : first).startsWith(folder)) continue
    if (name === 'mkdir') make(first, { kind: 'folder', entries: new Map() })
    else if (name === 'openat') {
      if (created && !entriesOf(parent(first)).has(basename(first)))
        make(first, { kind: 'file', bytes: Buffer.alloc(0) })
    } else if (name === 'symlink') make(second, { kind: 'link', target: first })
    else if (name === 'unlink' || name === 'rmdir') rename([[parent(first), basename(first), null]])
    else if (name === 'rename')
      rename([
        [parent(first), basename(first), null],
        [parent(second), basename(second), find(first)],
      ])
    else if (name === 'fsync' || name === 'fdatasync') steps.push({ sync: find(first) })
    else {
      const of = find(first)
      const at = lengths.get(of) ?? 0
      lengths.set(of, at + bytes.length)
      steps.push({ change: { of, write: { at, bytes } } })
    }
  }
  return { root: before, steps }
}

interface LoggedCall {
  readonly name: string
  readonly paths: readonly string[]
  readonly bytes: Buffer
  readonly created: boolean
}

/** The calls of a log that did something, in their order; one that another thread interrupted counts where it ended. */
function callsIn(log: string): LoggedCall[] {
  const begun = new Map<string, string>()
  const calls: LoggedCall[] = []
  for (const line of log.split('\n')) {
    const [, tid = '', text = ''] = /^(\d+)\s+(.*)$/.exec(line) ?? []
    const [, unfinished] = /^(.*) <unfinished \.\.\.>$/.exec(text) ?? []
    if (unfinished !== undefined) {
      begun.set(tid, unfinished)
      continue
    }
    const [, rest] = /^<\.\.\. \w+ resumed>(.*)$/.exec(text) ?? []
    const whole = rest === undefined ? text : (begun.get(tid) ?? '') + rest
    const [, name = '', given = '', result = '-1'] = /^(\w+)\((.*)\)\s+= (-?\d+)/.exec(whole) ?? []
    if (name === '' || result.startsWith('-')) continue
    const strings = [...given.matchAll(/"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?/g)]
    if (strings.some(([, , cut]) => cut !== undefined))
      throw new Error(`the log cut a text off: ${whole.slice(0, 200)}`)
    const texts = strings.map(([, hex = '']) => Buffer.from(hex.replaceAll('\\x', ''), 'hex'))
    const [, file = ''] = /^\d+<([^>]*)>/.exec(given) ?? []
    const path = Buffer.from(file.replaceAll('\\x', ''), 'hex').toString()
    if (name === 'write' || name.includes('sync'))
      calls.push({
        name,
        paths: [path],
        bytes: (texts[0] ?? Buffer.alloc(0)).subarray(0, Number(result)),
        created: false,
      })
    else
      calls.push({
        name,
        paths: texts.map(String),
        bytes: Buffer.alloc(0),
        created: given.includes('O_CREAT'),
      })
  }
  return calls
}

/** What a power cut after `done` steps may undo. */
export function pending({ steps }: Recording, done: number): Change[] {
  let changes: Change[] = []
  for (const step of steps.slice(0, done)) {
    if ('change' in step) changes.push(step.change)
    else changes = changes.filter((change) => !isOf(change, step.sync))
  }
  return changes
}

function isOf(change: Change, node: Node): boolean {
  return change.names === undefined ? change.of === node : change.names.every(([folder]) => folder === node)
}

/** Writes the disk after a power cut, which left out `lost` of what was done in `done` steps, to `path`. */
export function writeState({ root, steps }: Recording, done: number, lost: ReadonlySet<Change>, path: string): void {
  const entries = new Map<Folder, Map<string, Node>>()
  const contents = new Map<Node, Buffer>()
  const entriesOf = (folder: Folder): Map<string, Node> => {
    let own = entries.get(folder)
    if (own === undefined) entries.set(folder, (own = new Map(folder.entries)))
    return own
  }
  for (const step of steps.slice(0, done)) {
    if (!('change' in step) || lost.has(step.change)) continue
    const { of, names, write } = step.change
    for (const [folder, name, node] of names ?? [])
      if (node === null) entriesOf(folder).delete(name)
      else entriesOf(folder).set(name, node)
    if (write !== undefined && of.kind === 'file') {
      const before = contents.get(of) ?? of.bytes
      const after = Buffer.alloc(Math.max(before.length, write.at + write.bytes.length))
      before.copy(after)
      write.bytes.copy(after, write.at)
      contents.set(of, after)
    }
  }
  const put = (node: Node, to: string): void => {
    if (node.kind === 'link') symlinkSync(node.target, to)
    else if (node.kind === 'file') writeFileSync(to, contents.get(node) ?? node.bytes)
    else {
      mkdirSync(to)
      for (const [name, inner] of entriesOf(node)) put(inner, join(to, name))
    }
  }
  rmSync(path, { recursive: true, force: true })
  put(root, path)
}

/** Which of the pending changes are lost: all, none, each alone, all but each, and others at random, `count` in all at most. */
export function losses(changes: readonly Change[], count: number, random: () => number): Set<Change>[] {
  if (changes.length === 0) return [new Set()]
  if (2 ** changes.length <= count)
    return Array.from(
      { length: 2 ** changes.length },
      (_, bits) => new Set(changes.filter((__, index) => (bits >> index) & 1)),
    )
  const chosen = [new Set(changes), new Set<Change>()]
  for (const change of changes) {
    chosen.push(new Set([change]))
    chosen.push(new Set(changes.filter((other) => other !== change)))
  }
  while (chosen.length < count) chosen.push(new Set(changes.filter(() => random() < 0.5)))
  return chosen.slice(0, count)
}
