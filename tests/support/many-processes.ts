/** Many processes that want the same thing at the same instant. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const child = (name: string): string => fileURLToPath(new URL(`../lifecycle/${name}`, import.meta.url))

function started(...args: string[]): { process: ChildProcess; first: Promise<string>; all: Promise<string> } {
  const spawned = spawn(process.execPath, ['--import', 'tsx', ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
  let text = ''
  spawned.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()))
  return {
    process: spawned,
    first: new Promise((resolve) => {
      spawned.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString()))
      spawned.once('close', () => resolve(''))
    }),
    all: new Promise((resolve) => spawned.on('close', () => resolve(text))),
  }
}

/** @returns the folders that `processes` got, each of which asked `each` times for one of the same name */
export async function claimFolders(
  root: string,
  processes: number,
  each: number,
): Promise<{ readonly names: readonly string[]; readonly wanted: number }> {
  const claimers = Array.from({ length: processes }, () => started(child('run-claimer.ts'), root, String(each)))
  await Promise.all(claimers.map(({ first }) => first)) // all of them are there
  for (const {
    process: { stdin },
  } of claimers)
    stdin?.end('now\n')
  const texts = await Promise.all(claimers.map(({ all }) => all))
  const names = texts.flatMap((text) => text.trim().split('\n').slice(1))
  return { names, wanted: processes * each }
}

/** How many of so many processes own a folder's lock, and how many are told that another one does. The owner lives until all have asked. */
export async function ownersOf(
  folder: string,
  processes: number,
): Promise<{ readonly owners: number; readonly refused: number; readonly others: readonly string[] }> {
  mkdirSync(folder, { recursive: true })
  const children = Array.from({ length: processes }, () => started(child('snapshot-writer.ts'), folder, 'lock'))
  const said = await Promise.all(children.map(({ first }) => first))
  for (const { process: each } of children) each.kill('SIGKILL')
  const others = said.filter((text) => text !== 'locked\n' && !/another one holds/.test(text))
  return {
    owners: said.filter((text) => text === 'locked\n').length,
    refused: said.filter((text) => /another one holds/.test(text)).length,
    others,
  }
}
