/** What a run would do: phases, inputs found, outputs. Reads folders, loads no addon, makes nothing. */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { ResolvedConfig } from '../config/index.ts'
import { type PhaseName, predecessors, type RunPaths, trainingPhaseNames } from '../phases/context.ts'
import { changedParents, changesOf, isFinished, parentsOf, readLineage, settingsOf } from '../phases/lineage-record.ts'
import { chooseRun } from '../phases/run-folder.ts'
import { fallbackOf } from '../snapshot/index.ts'

export interface PlannedPhase {
  readonly phase: PhaseName
  /** `20 epochs, batch 128, lr 0.001`; empty for phases that do not train. */
  readonly work: string
  /** Where its network comes from. */
  readonly input: string
  readonly inputFound: boolean
  readonly outputs: readonly string[]
  /** what becomes of it, and why */
  readonly decision: 'runs' | 'goes on' | 'runs again' | 'skipped'
  readonly reasons: readonly string[]
}

export interface Plan {
  readonly run: RunPaths
  readonly resume: boolean
  readonly config: string
  readonly dataset: string
  readonly dataDirectory: string
  readonly dataDirectoryFound: boolean
  readonly device: string
  readonly phases: readonly PlannedPhase[]
  readonly skipped: readonly { readonly phase: PhaseName; readonly reason: string }[]
  readonly withoutEffect: readonly string[]
}

export async function planRun(resolved: ResolvedConfig, resume: boolean): Promise<Plan> {
  const { config, phases, skipped, withoutEffect, file } = resolved
  const { name, directory } = config.run
  const { run, parentRun } = chooseRun(directory, name, { phases, resume, claim: false })
  const runs = [run, parentRun].filter((paths) => paths !== null)
  const decisions = await decisionsOf(resolved, resume, { run, parentRun })
  const digits = config.data.dataset === 'digits'
  return {
    run,
    resume,
    config: file,
    dataset: config.data.dataset,
    dataDirectory: digits ? 'in the package' : config.data.directory,
    dataDirectoryFound: digits || existsSync(config.data.directory),
    device: config.device,
    skipped,
    withoutEffect,
    phases: phases.map((phase) => ({
      phase,
      work: workOf(resolved, phase),
      ...inputOf(resolved, phase, runs),
      outputs: outputsOf(resolved, phase, run),
      ...(decisions.get(phase) ?? { decision: 'runs', reasons: [] }),
    })),
  }
}

type Decision = Pick<PlannedPhase, 'decision' | 'reasons'>

/** As the phases decide when they run, but for the content of the data, which is not read here. */
async function decisionsOf(
  { config, phases }: ResolvedConfig,
  resume: boolean,
  runs: { readonly run: RunPaths; readonly parentRun: RunPaths | null },
): Promise<Map<PhaseName, Decision>> {
  const decisions = new Map<PhaseName, Decision>()
  for (const phase of phases) {
    const folder = join(runs.run.snapshots, phase)
    const folders = [folder, await fallbackOf(folder)].filter((path) => path !== null)
    const finished = resume && trainingPhaseNames.includes(phase) ? await isFinished(folders) : null
    const record = await readLineage(folder)
    if (finished === null) {
      decisions.set(phase, { decision: 'runs', reasons: resume ? ['not begun'] : [] })
      continue
    }
    if (record === null || phase === 'evaluate' || phase === 'export') {
      const why = 'not known what it was made of'
      decisions.set(phase, {
        decision: finished ? 'skipped' : 'goes on',
        reasons: finished ? ['finished', why] : [why],
      })
      continue
    }
    const section: { initFrom: string | null; teacherBackbonePath?: string | null } = config[phase]
    const parents = await parentsOf(phase, [section.initFrom, section.teacherBackbonePath], runs)
    const anew = predecessors[phase].filter(
      (name) => name in record.parents && ['runs', 'runs again'].includes(decisions.get(name)?.decision ?? ''),
    )
    const changedWeights = [...changedParents(record, parents), ...anew.map((name) => `${name} runs again`)]
    const changed = changesOf(record, settingsOf(config, phase))
    const again = finished ? [...changed, ...changedWeights] : changedWeights
    if (again.length > 0) decisions.set(phase, { decision: 'runs again', reasons: again })
    else if (finished) decisions.set(phase, { decision: 'skipped', reasons: ['finished and unchanged'] })
    else decisions.set(phase, { decision: 'goes on', reasons: changed })
  }
  return decisions
}

function workOf({ config }: ResolvedConfig, phase: PhaseName): string {
  if (phase === 'evaluate' || phase === 'export') return ''
  const { epochs, steps, batchSize, lr } = config[phase]
  return `${steps === null ? `${epochs} epochs` : `${steps} steps`}, batch ${batchSize}, lr ${lr}`
}

function inputOf(
  resolved: ResolvedConfig,
  phase: PhaseName,
  runs: readonly RunPaths[],
): { input: string; inputFound: boolean } {
  const { config, phases } = resolved
  if (phase === 'evaluate' && config.evaluate.ensemble !== null) {
    const { ensemble } = config.evaluate
    const named = ensemble === 'cycles' ? 'the cycle ends of the last training phase' : ensemble.join(', ')
    return { input: `${named}, together`, inputFound: true }
  }
  const given =
    phase === 'evaluate' || phase === 'export'
      ? config[phase].model
      : phase === 'distill'
        ? (config.distill.teacherBackbonePath ?? config.distill.initFrom)
        : config[phase].initFrom
  if (given !== null) return { input: given, inputFound: isNamed(given) || existsSync(given) }
  const before = phases.slice(0, phases.indexOf(phase))
  const planned = predecessors[phase].find((name) => before.includes(name))
  if (planned !== undefined) return { input: `phase ${planned} of this run`, inputFound: true }
  for (const run of runs) {
    for (const name of predecessors[phase]) {
      const best = join(run.snapshots, name, 'best')
      if (existsSync(best)) return { input: best, inputFound: true }
    }
  }
  if (phase === 'distill') return { input: 'no teacher', inputFound: false }
  const trains = phase !== 'evaluate' && phase !== 'export'
  const { name, pretrained } = (trains ? config[phase].backbone : null) ?? config.backbone
  if (pretrained === false) {
    if (trains) return { input: 'fresh weights', inputFound: true }
    return { input: 'no snapshot of a training phase', inputFound: false }
  }
  const input = pretrained === true ? `published weights of ${name}` : pretrained
  const inputFound = pretrained === true || isNamed(pretrained) || existsSync(pretrained)
  return { input: trains ? input : `the classifier of ${input}`, inputFound }
}

/** On the hub: found out when it runs. */
function isNamed(path: string): boolean {
  return path.startsWith('hf:')
}

function outputsOf({ config }: ResolvedConfig, phase: PhaseName, run: RunPaths): string[] {
  if (phase === 'evaluate') return [run.evalResults]
  if (phase === 'export') return [join(run.snapshots, 'export'), ...config.export.formats]
  return trainingPhaseNames.includes(phase) ? [join(run.snapshots, phase), join(run.logs, `${phase}.csv`)] : []
}

/** The plan for people. */
export function planText(plan: Plan): string {
  const lines = [
    `run       ${plan.run.name}${plan.resume ? ' (resumed)' : ''}`,
    `config    ${plan.config}`,
    `data      ${plan.dataset}, ${plan.dataDirectory}${plan.dataDirectoryFound ? '' : ' (not there yet)'}`,
    `device    ${plan.device}`,
    '',
  ]
  plan.phases.forEach(({ phase, work, input, inputFound, outputs, decision, reasons }, index) => {
    lines.push(`${index + 1}. ${phase}${work === '' ? '' : `: ${work}`}`)
    if (plan.resume) lines.push(`     ${decision}${reasons.length === 0 ? '' : `: ${reasons.join('; ')}`}`)
    lines.push(`     from ${input}${inputFound ? '' : ' (not found)'}`)
    if (outputs.length > 0) lines.push(`     to   ${outputs.join(', ')}`)
  })
  for (const { phase, reason } of plan.skipped) lines.push(`-  ${phase} does not run: ${reason}`)
  for (const notice of plan.withoutEffect) lines.push(`!  ${notice}`)
  return lines.join('\n')
}

/** The plan for --json, in snake_case. */
export function planJson(plan: Plan): object {
  return {
    ok: true,
    run: plan.run.name,
    resume: plan.resume,
    config: plan.config,
    data: { dataset: plan.dataset, directory: plan.dataDirectory, found: plan.dataDirectoryFound },
    device: plan.device,
    folders: { snapshots: plan.run.snapshots, logs: plan.run.logs, eval_results: plan.run.evalResults },
    phases: plan.phases.map(({ phase, work, input, inputFound, outputs, decision, reasons }) => ({
      phase,
      work,
      input,
      input_found: inputFound,
      outputs,
      decision,
      reasons,
    })),
    skipped: plan.skipped,
    without_effect: plan.withoutEffect,
  }
}
