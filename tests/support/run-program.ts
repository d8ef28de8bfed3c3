/** The program as a user runs it: a process of its own, from the sources. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { packageFile } from '../../src/util/package-root.ts'

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Node's arguments before those of the program. */
export const program: readonly string[] = [
  '--import',
  fileURLToPath(import.meta.resolve('tsx')),
  packageFile('src/cli/main.ts'),
]

/** @param env beside that of this process, without colours */
export function runProgram(cwd: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const child = spawn(process.execPath, [...program, ...args], {
    cwd,
    env: { ...process.env, NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, stdout, stderr }))
  })
}
