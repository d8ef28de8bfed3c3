/** `run-pipeline sweep` in a folder of its own, with the smallest trials that there are. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseCsv } from '../../src/util/csv.ts'
import { program } from './run-program.ts'

export interface Ended {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export class SweepFolder {
  readonly path: string

  constructor() {
    this.path = mkdtempSync(join(tmpdir(), 'trivium-sweep-'))
  }

  /** Writes `<name>.yaml`. */
  space(name: string, text: string): void {
    writeFileSync(join(this.path, `${name}.yaml`), text)
  }

  /** The words of the whole command: one epoch a phase on digits of 8×8 pixels. */
  words(space: string, ...more: string[]): string[] {
    const tiny = ['data.image_size=8', ...['train', 'supcon', 'arcface'].map((phase) => `${phase}.epochs=1`)]
    return [...program, 'sweep', '--space', `${space}.yaml`, ...tiny.flatMap((set) => ['--set', set]), ...more]
  }

  run(space: string, ...more: string[]): Ended {
    return spawnSync(process.execPath, this.words(space, ...more), {
      cwd: this.path,
      encoding: 'utf8',
      timeout: 300_000,
    })
  }

  trials(name: string): Record<string, string>[] {
    const [head, ...rows] = parseCsv(readFileSync(join(this.path, 'sweep_logs', name, 'trials.csv'), 'utf8'))
    return rows.map((row) => Object.fromEntries(row.map((value, i) => [head![i]!, value])))
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}
