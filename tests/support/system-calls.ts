/**
 * Every system call by which a snapshot is saved, made to fail or to be the process's last act, with strace's fault injection. A call is
 * told by the thread that makes it and by how often that thread has made one of its kind, which is the same in each process: Node's file
 * operations have one thread here.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { readSnapshot, SnapshotStore } from '../../src/snapshot/index.ts'
import { silentLogger } from '../../src/util/logger.ts'
import type { Answer } from '../lifecycle/snapshot-server.ts'

/** What changes a folder or its files. */
export const changingCalls = [
  ...['mkdir', 'openat', 'write', 'pwrite64', 'writev', 'fsync', 'fdatasync', 'ftruncate'],
  ...['rename', 'renameat', 'renameat2', 'symlink', 'symlinkat', 'unlink', 'unlinkat', 'rmdir'],
]
/** What reads them. */
export const readingCalls = ['read', 'pread64', 'statx', 'newfstatat', 'readlink', 'getdents64', 'statfs']

export interface SystemCall {
  /** index among the threads of the process */
  readonly thread: number
  readonly name: string
  /** from 1, among the calls of that name and thread */
  readonly nth: number
  /** as strace writes it */
  readonly text: string
}

/** Whether the call changes what is on the disk: a process that ends at another one leaves what it leaves at the next that does. */
export function changes({ text }: SystemCall): boolean {
  return !text.includes('O_RDONLY') && text !== 'mkdir("…", 0777)'
}

/** Null where strace can be used, else why not. */
export function straceProblem(): string | null {
  const tried = spawnSync('strace', ['-e', 'inject=getpid:error=EPERM', 'true'], { encoding: 'utf8' })
  if (tried.error !== undefined) return 'needs strace'
  return tried.status === 0 ? null : `needs a strace that may trace: ${tried.stderr.trim()}`
}

const serverPath = fileURLToPath(new URL('../lifecycle/snapshot-server.ts', import.meta.url))

/** in each part of a snapshot */
const usualValues = 20_000

/** The process that is disturbed. */
export class SnapshotServer {
  readonly #child: ChildProcess
  readonly #lines: Interface
  readonly #ended: Promise<null>
  #isAlive = true

  private constructor(child: ChildProcess) {
    this.#child = child
    this.#lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
    this.#ended = once(child, 'close').then(() => {
      this.#isAlive = false
      return null
    })
  }

  /** @param scratch an empty folder, whose snapshots make the process load what it needs and start its threads */
  static async start(scratch: string, values = usualValues): Promise<SnapshotServer> {
    const env = { ...process.env, UV_THREADPOOL_SIZE: '1', UV_USE_IO_URING: '0', OMP_NUM_THREADS: '1' }
    const stdio = ['pipe', 'pipe', 'inherit'] as const
    const child = spawn(process.execPath, ['--import', 'tsx', serverPath, String(values)], { stdio: [...stdio], env })
    const server = new SnapshotServer(child)
    await server.do(`store ${scratch}`, 'save 1')
    return server
  }

  get isAlive(): boolean {
    return this.#isAlive
  }

  /** @returns the first error, or that of the last line; null when the process ended */
  async ask(...lines: readonly string[]): Promise<Answer | null> {
    let answer: Answer | null = null
    for (const line of lines) {
      const answered = once(this.#lines, 'line').then(([text]) => JSON.parse(text as string) as Answer)
      this.#child.stdin?.write(`${line}\n`)
      answer = await Promise.race([answered, this.#ended])
      if (answer === null || answer.error !== null) break
    }
    return answer
  }

  /** As `ask`, where nothing may go wrong. */
  async do(...lines: readonly string[]): Promise<void> {
    const answer = await this.ask(...lines)
    if (answer?.error !== null) throw new Error(`${lines.join(', ')}: ${answer?.error ?? 'the process ended'}`)
  }

  /** Numbers of its threads, in the order in which they began. */
  get threads(): number[] {
    return readdirSync(`/proc/${this.#child.pid}/task`)
      .map(Number)
      .sort((a, b) => a - b)
  }

  /** Runs `during` while strace watches one thread, or all. @returns what strace wrote */
  async traced(thread: number | 'all', flags: readonly string[], during: () => Promise<void>): Promise<string> {
    const scratch = mkdtempSync(join(tmpdir(), 'trivium-strace-'))
    const log = join(scratch, 'log')
    const target = thread === 'all' ? ['-f', '-p', String(this.#child.pid)] : ['-p', String(this.threads[thread])]
    const strace = spawn('strace', ['-y', '-s', '16', '-o', log, ...flags, ...target], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const closed = once(strace, 'close')
    try {
      let said = ''
      const attached = new Promise<void>((resolve) => {
        strace.stderr.on('data', (chunk: Buffer) => {
          said += chunk.toString()
          if (/attached/.test(said)) resolve()
        })
      })
      await Promise.race([attached, closed.then(() => Promise.reject(new Error(`strace ended: ${said}`)))])
      await during()
      strace.kill('SIGINT')
      await closed
      return readFileSync(log, 'utf8')
    } finally {
      rmSync(scratch, { recursive: true, force: true })
    }
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#ended
    this.#lines.close()
  }
}

/** store: its opening, and one save. lasting: a save that is tried again, into a folder that was opened before. */
export type Kind = 'store' | 'lasting'

/** What comes before the calls that are watched, and what makes them. */
function linesOf(kind: Kind, folder: string): { before: string[]; during: string[] } {
  const open = `${kind} ${folder}`
  return kind === 'store' ? { before: [], during: [open, 'save 3'] } : { before: [open], during: ['save 3'] }
}

/** Folders that are saved into: each is a copy of one with two snapshots, the older of which goes when a third one is saved. */
export class Folders {
  readonly root: string

  /** of the parts of their snapshots */
  readonly values: number

  private constructor(root: string, values: number) {
    this.root = root
    this.values = values
  }

  static async make(root: string, server: SnapshotServer, values = usualValues): Promise<Folders> {
    await server.do(`store ${join(root, 'two')}`, 'save 1', 'save 2')
    return new Folders(root, values)
  }

  fresh(): string {
    const folder = join(this.root, 'disturbed')
    rmSync(folder, { recursive: true, force: true })
    cpSync(join(this.root, 'two'), folder, { recursive: true, verbatimSymlinks: true })
    return folder
  }

  get scratch(): string {
    return join(this.root, 'scratch')
  }
}

/** The calls of one save that name the folder or a file below it, in their order. */
export async function callsOfSave(
  server: SnapshotServer,
  folders: Folders,
  { kind, names }: { readonly kind: Kind; readonly names: readonly string[] },
): Promise<SystemCall[]> {
  const folder = folders.fresh()
  const { before, during } = linesOf(kind, folder)
  if (before.length > 0) await server.do(...before)
  const { threads } = server
  const log = await server.traced('all', ['-e', `trace=${names.join()}`], () => server.do(...during))
  const counts = new Map<string, number>()
  const calls: SystemCall[] = []
  for (const line of log.split('\n')) {
    const [, tid, name = '', rest = ''] = /^(\d+)\s+(\w+)\((.*)$/.exec(line) ?? []
    if (tid === undefined) continue
    const thread = threads.indexOf(Number(tid))
    const nth = (counts.get(`${thread} ${name}`) ?? 0) + 1
    counts.set(`${thread} ${name}`, nth)
    if (isOf(rest, folder)) calls.push({ thread, name, nth, text: told(`${name}(${rest}`, folder) })
  }
  return calls
}

function isOf(text: string, folder: string): boolean {
  return ['/', '"', '>'].some((end) => text.includes(folder + end))
}

/** Without what differs from process to process, and without the outcome. */
function told(call: string, folder: string): string {
  return call
    .replaceAll(folder, '…')
    .replaceAll(/(\.tmp-[a-z-]*)\d+-[0-9a-f]{8}/g, '$1*')
    .replaceAll(/\b\d+</g, '<')
    .replace(/ = .*| <unfinished .*/, '')
}

export interface CallFigures {
  /** calls that were made to fail, or were the last */
  hit: number
  /** afterwards the old snapshot was the newest, or the new one */
  old: number
  new: number
  readonly problems: string[]
}

/** Which snapshot is found: 2 is the old one, 3 the new one. @throws {SnapshotError} when one that has a name is not whole */
async function newest(folder: string): Promise<number> {
  for (const pointer of ['last', 'best']) await readSnapshot(join(folder, pointer))
  const store = await SnapshotStore.open(folder, { keep: 2, logger: silentLogger })
  return (await store.newestReadable())?.order ?? 0
}

/** Disturbs a save at one call. @returns null when another call was hit, as the process was busy with something else */
async function disturbed(
  server: SnapshotServer,
  { name, thread, nth, text }: SystemCall,
  fault: string,
  { kind, folder }: { readonly kind: Kind; readonly folder: string },
): Promise<{ readonly answer: Answer | null } | null> {
  const { before, during } = linesOf(kind, folder)
  if (before.length > 0) await server.do(...before)
  const flags = ['-e', `trace=${name}`, '-e', `inject=${name}:${fault}:when=${nth}`]
  let answer: Answer | null = null
  const log = await server.traced(thread, flags, async () => {
    answer = await server.ask(...during)
  })
  const lines = log.split('\n').filter((line) => line.startsWith(`${name}(`))
  const hit = fault.startsWith('error') ? lines.find((line) => line.includes('(INJECTED)')) : lines.at(-1)
  return hit !== undefined && pathsIn(told(hit, folder)) === pathsIn(text) ? { answer } : null
}

/** What a call is told by: what a read gives is in its text only where it succeeds. */
function pathsIn(text: string): string {
  return [...text.matchAll(/[<"](…[^>"]*)[>"]/g)].map(([, path]) => path).join(' ')
}

const refusal =
  /^SnapshotError: could not save the snapshot .*epoch-3(-\d+)? \(it needs [\d.]+ MB, [\d.]+ MB is free\): .* Kept: .*epoch-[23]\.$/
const refusedFolder = /^SnapshotError: cannot (write|read) .*disturbed: /

/** Each call fails once with `error`: a save that is tried again is done then, and one that is not ends with an error of ours. */
export async function failEachCall(
  folders: Folders,
  { kind, error, names }: { readonly kind: Kind; readonly error: string; readonly names: readonly string[] },
): Promise<CallFigures & { calls: number }> {
  let server = await SnapshotServer.start(folders.scratch, folders.values)
  const calls = await callsOfSave(server, folders, { kind, names })
  const figures = { calls: calls.length, hit: 0, old: 0, new: 0, problems: [] as string[] }
  for (const call of calls) {
    const problem = (what: string): unknown => figures.problems.push(`${kind}, ${error} at ${call.text}: ${what}`)
    let outcome: Awaited<ReturnType<typeof disturbed>> = null
    let folder = ''
    for (let attempt = 0; outcome === null && attempt < 4; attempt++) {
      if (!server.isAlive) server = await SnapshotServer.start(folders.scratch, folders.values)
      folder = folders.fresh()
      outcome = await disturbed(server, call, `error=${error}`, { kind, folder })
    }
    if (outcome === null) {
      problem('it was not hit')
      continue
    }
    figures.hit++
    const { answer } = outcome
    if (answer === null) problem('the process ended')
    else if (answer.error !== null) {
      if (kind === 'lasting') problem('a single failure ended a save that is tried again')
      if (!refusal.test(answer.error) && !refusedFolder.test(answer.error)) problem(`said ${answer.error}`)
      if (answer.exitCode !== 74) problem(`would end with ${answer.exitCode}: ${answer.error}`)
    }
    try {
      const order = await newest(folder)
      figures[order === 3 ? 'new' : 'old']++
      if (order < 2 || (answer?.error === null && order < 3)) problem(`${order} is left`)
    } catch (broken) {
      problem(String(broken))
    }
  }
  await server.stop()
  return figures
}

/** A process for each call, that is killed as it begins it. What it left is read, and gone on with. */
export async function killAtEachCall(folders: Folders, calls: readonly SystemCall[]): Promise<CallFigures> {
  const figures: CallFigures = { hit: 0, old: 0, new: 0, problems: [] }
  for (const call of calls) {
    const problem = (what: string): unknown => figures.problems.push(`SIGKILL at ${call.text}: ${what}`)
    for (let attempt = 0; attempt < 4; attempt++) {
      const folder = folders.fresh()
      const server = await SnapshotServer.start(folders.scratch, folders.values)
      try {
        const outcome = await disturbed(server, call, 'signal=SIGKILL', { kind: 'store', folder })
        if (outcome === null) continue
        figures.hit++
        if (outcome.answer !== null) problem('the process lived on')
        const order = await newest(folder)
        figures[order === 3 ? 'new' : 'old']++
        if (order < 2) problem(`${order} is left`)
        const store = await SnapshotStore.open(folder, { keep: 2, logger: silentLogger })
        await store.save('epoch-3', { parts: new Map(), state: { step: 3 }, order: 3 }, { best: true })
        if ((await newest(folder)) !== 3) problem('the next save is not found')
        break
      } catch (broken) {
        problem(String(broken))
        break
      } finally {
        await server.stop()
      }
    }
  }
  return figures
}
