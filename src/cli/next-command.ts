/** Commands for the user to type next, made from the one that was typed. */

import { resolve } from 'node:path'
import type { PipelineResult, RunPaths } from '../phases/index.ts'

const PROGRAM = 'npx run-pipeline'

/** The same command, going on with this run. */
export function resumeCommand(run: RunPaths, args: readonly string[]): string {
  return [PROGRAM, ...without(args, ['--name', '--resume']), '--name', run.name, '--resume'].map(quoted).join(' ')
}

/** The same sweep, going on. */
export function resumeSweepCommand(args: readonly string[]): string {
  return [PROGRAM, 'sweep', ...without(args, ['--resume']), '--resume'].map(quoted).join(' ')
}

/** Runs a configuration that was written to a file. */
export function runConfigCommand(path: string): string {
  return `${PROGRAM} --config ${quoted(path)}`
}

/** After a finished run: what it has not done yet, or a prediction. */
export function nextCommand(result: PipelineResult, args: readonly string[]): string {
  const ran = result.phases.map(({ phase }) => phase)
  const files = result.phases.flatMap((phase) => phase.files)
  if (files.some((path) => path.endsWith('.onnx')))
    return [PROGRAM, 'predict', '--model', result.run.name, ...directoryOf(result.run), 'path/to/image.png']
      .map(quoted)
      .join(' ')
  const phases = ran.includes('evaluate')
    ? ['export']
    : ran.some((phase) => phase === 'supcon') && !ran.includes('arcface')
      ? ['arcface', 'evaluate', 'export']
      : ['evaluate', 'export']
  const rest = without(args, [
    '--name',
    '--resume',
    '--phases',
    '-p',
    '--num_epochs',
    '--num-epochs',
    '--batch_size',
    '--batch-size',
    '--lr',
    '--weight_decay',
    '--weight-decay',
  ])
  return [PROGRAM, ...rest, '--phases', ...phases, '--name', result.run.name].map(quoted).join(' ')
}

/** For a command that reads no configuration: where the run is, unless that is here. */
function directoryOf({ root }: RunPaths): string[] {
  return resolve(root) === process.cwd() ? [] : ['--directory', root]
}

const SWITCHES = new Set(['--resume'])
const GREEDY = new Set(['--phases', '-p'])

/** The words without some options and their values. */
function without(args: readonly string[], names: readonly string[]): string[] {
  const kept: string[] = []
  for (let at = 0; at < args.length; at++) {
    const word = args[at] as string
    const name = word.split('=', 1)[0] as string
    if (!names.includes(name)) {
      kept.push(word)
      continue
    }
    if (word.includes('=') || SWITCHES.has(name)) continue
    do at++
    while (GREEDY.has(name) && args[at + 1] !== undefined && !(args[at + 1] as string).startsWith('-'))
  }
  return kept
}

/** For a POSIX shell. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) || word === PROGRAM ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
