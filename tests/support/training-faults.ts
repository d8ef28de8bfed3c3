/** Runs of the whole curriculum that are killed, stopped and damaged, and what is left of them. Used by a short test and a long script. */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readPointer, readSnapshot, SnapshotStore } from '../../src/snapshot/index.ts'
import { SnapshotError } from '../../src/util/errors.ts'
import { silentLogger } from '../../src/util/logger.ts'

/** Small, and with everything that a snapshot has to keep: averages, momenta, teachers, augmentation, dropout of paths. */
const configuration = `
device: cpu
threads: 1
logging: { level: warn }
data: { dataset: digits, image_size: 16, validation_fraction: 0.1 }
backbone: { name: small_cnn, width: 4 }
supcon: { epochs: 3, batch_size: 128, ema_decay: 0.9, projection_features: 16, snapshot_minutes: 0.001 }
arcface: { epochs: 4, batch_size: 128, ema_decay: 0.9, optimizer: sgd, sam: true, snapshot_minutes: 0.001 }
distill: { epochs: 3, batch_size: 128, ema_decay: 0.9, mix_method: mixup, snapshot_minutes: 0.001 }
`
const phases = ['supcon', 'arcface', 'distill']
/** Signals that ask for an end. */
const asked = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const

export interface FaultFigures {
  /** signals that hit a living process */
  kills: number
  /** SIGTERM, SIGINT and SIGHUP */
  terms: number
  runs: number
  /** times that `last` or `best` of a phase could not be read after a signal */
  unreadable: number
  /** runs whose weights or history differ from those of the run that nobody disturbed */
  different: number
  readonly problems: string[]
}

export interface FaultOptions {
  /** an empty folder */
  readonly root: string
  /** how the command is started: node's arguments before those of the command */
  readonly command: readonly string[]
  readonly kills: number
  readonly terms: number
  /** 0–1, one after the other */
  readonly random: () => number
  readonly onRun?: (figures: FaultFigures) => void
}

/** Disturbs runs until there were as many signals as asked for; each is resumed to its end and compared. */
export async function disturbRuns(options: FaultOptions): Promise<FaultFigures> {
  const { root, random } = options
  const figures: FaultFigures = { kills: 0, terms: 0, runs: 0, unreadable: 0, different: 0, problems: [] }
  writeFileSync(join(root, 'faults.yaml'), configuration)
  const started = performance.now()
  const quiet = await start(options, 'quiet', false, null)
  let whole = performance.now() - started
  if (quiet.code !== 0) throw new Error(`the undisturbed run failed: ${quiet.text}`)
  const expected = fingerprint(root, 'quiet')
  while (figures.kills < options.kills || figures.terms < options.terms) {
    const name = `run${++figures.runs}`
    for (let attempt = 0; ; attempt++) {
      const left = { SIGKILL: options.kills - figures.kills, SIGTERM: options.terms - figures.terms }
      const kind = random() * (left.SIGKILL + left.SIGTERM) < left.SIGKILL ? 'SIGKILL' : 'SIGTERM'
      const signal = kind === 'SIGKILL' ? kind : (asked[Math.floor(random() * asked.length)] ?? kind)
      // After many attempts the run is let go to its end: otherwise bad luck could keep it from ever saving.
      const fault = left[kind] > 0 && attempt < 25 ? ({ signal, after: random() * whole } as const) : null
      const resume = existsSync(join(root, 'snapshots', name))
      const from = performance.now()
      const { code, hit, text } = await start(options, name, resume, fault)
      // On a machine with less to do than at first, signals would come when all is over.
      if (!hit && !resume) whole = Math.min(whole, performance.now() - from)
      if (hit) figures[signal === 'SIGKILL' ? 'kills' : 'terms']++
      figures.unreadable += await unreadable(root, name, figures.problems)
      if (code === 0) break
      // Without a code: the signal came when all was done and the handlers were gone.
      const stopped = hit && (code === null || [75, 129, 130, 143].includes(code))
      if (!stopped) throw new Error(`${name}: ended with ${code}, ${hit ? signal : 'undisturbed'}: ${text}`)
    }
    const got = fingerprint(root, name)
    const differing = Object.keys(expected).filter((key) => got[key] !== expected[key])
    if (differing.length > 0) {
      figures.different++
      figures.problems.push(`${name}: differs in ${differing.join(', ')}`)
    } else for (const folder of ['snapshots', 'logs']) rmSync(join(root, folder, name), { recursive: true })
    options.onRun?.(figures)
  }
  return figures
}

interface Ended {
  readonly code: number | null
  readonly hit: boolean
  readonly text: string
}

function start(
  { root, command }: FaultOptions,
  name: string,
  resume: boolean,
  fault: { readonly signal: NodeJS.Signals; readonly after: number } | null,
): Promise<Ended> {
  const flags = ['--config', join(root, 'faults.yaml'), '--directory', root, '--name', name]
  const wanted = ['--phases', ...phases, ...(resume ? ['--resume'] : [])]
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [...command, ...flags, ...wanted], { stdio: ['ignore', 'pipe', 'pipe'] })
    let text = ''
    let hit = false
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()))
    const timer = fault === null ? undefined : setTimeout(() => (hit = child.kill(fault.signal)), fault.after)
    child.on('close', (code) => {
      clearTimeout(timer)
      resolve({ code, hit, text })
    })
  })
}

async function unreadable(root: string, name: string, problems: string[]): Promise<number> {
  let count = 0
  for (const phase of phases) {
    const folder = join(root, 'snapshots', name, phase)
    for (const pointer of ['last', 'best'] as const) {
      const target = existsSync(folder) ? await readPointer(folder, pointer) : null
      if (target === null) continue
      await readSnapshot(join(folder, target)).catch((error: unknown) => {
        count++
        problems.push(String(error))
      })
    }
  }
  return count
}

/** Everything that must not depend on where a run was stopped: sums of weights, the history without times. */
function fingerprint(root: string, name: string): Record<string, string> {
  const parts: Record<string, string> = {}
  for (const phase of phases) {
    const path = join(root, 'snapshots', name, phase, 'last', 'manifest.json')
    const { files } = JSON.parse(readFileSync(path, 'utf8')) as { files: Record<string, { sha256: string }> }
    for (const [file, { sha256 }] of Object.entries(files))
      if (file.endsWith('.safetensors')) parts[`${phase}/${file}`] = sha256
  }
  const lines = readFileSync(join(root, 'logs', name, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
  const timeless = lines.map((line) => {
    const record = JSON.parse(line) as Record<string, unknown>
    return JSON.stringify({ ...record, seconds: 0, images_per_second: 0 })
  })
  parts['metrics.jsonl'] = timeless.join('\n')
  return parts
}

export interface DamageFigures {
  damaged: number
  /** refused, with an earlier snapshot or none taken instead */
  refused: number
  /** taken, because what was damaged is not what is read: still the same bytes */
  harmless: number
  readonly problems: string[]
}

/** Truncates files of the newest snapshot and flips bits in them: what is read is whole or refused by name, never something else. */
export async function damageSnapshots(
  folder: string,
  scratch: string,
  count: number,
  random: () => number,
): Promise<DamageFigures> {
  const figures: DamageFigures = { damaged: 0, refused: 0, harmless: 0, problems: [] }
  const last = (await readPointer(folder, 'last')) ?? ''
  const content = (path: string): string =>
    readdirSync(path)
      .filter((name) => name !== 'manifest.json')
      .sort()
      .map((name) =>
        createHash('sha256')
          .update(readFileSync(join(path, name)))
          .digest('hex'),
      )
      .join()
  const intact = content(join(folder, last))
  const files = readdirSync(join(folder, last))
  const copy = join(scratch, 'damaged')
  for (; figures.damaged < count; figures.damaged++) {
    rmSync(copy, { recursive: true, force: true })
    cpSync(folder, copy, { recursive: true, verbatimSymlinks: true })
    const file = files[Math.floor(random() * files.length)] ?? ''
    const path = join(copy, last, file)
    const bytes = readFileSync(path)
    const at = Math.floor(random() * bytes.length)
    if (random() < 0.3) truncateSync(path, at)
    else {
      bytes[at] = (bytes[at] ?? 0) ^ (1 << Math.floor(random() * 8))
      writeFileSync(path, bytes)
    }
    try {
      const { path: taken } = await readSnapshot(join(copy, last))
      if (content(taken) === intact) figures.harmless++
      else figures.problems.push(`${file}, byte ${at}: taken as whole`)
    } catch (error) {
      if (!(error instanceof SnapshotError)) figures.problems.push(`${file}, byte ${at}: ${String(error)}`)
      else figures.refused++
    }
    const store = await SnapshotStore.open(copy, { keep: 2, logger: silentLogger })
    const newest = await store.newestReadable().catch((error: unknown) => {
      if (!(error instanceof SnapshotError)) figures.problems.push(`${file}, byte ${at}: ${String(error)}`)
      return null
    })
    if (newest === null) figures.problems.push(`${file}, byte ${at}: no earlier snapshot was found`)
  }
  rmSync(copy, { recursive: true, force: true })
  return figures
}

/** The command as built, for the long script; the test runs the sources. */
export const builtCommand: readonly string[] = [fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))]
export const sourceCommand: readonly string[] = [
  ...['--import', 'tsx'],
  fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url)),
]
