/** Trials and runs as experiments, by what was typed: `study`, `study/3`, `study/best`, `run`, or the folder of a run's logs. */
import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { readPlainYaml } from '../../config/index.ts'
import { phaseNames, trainingPhaseNames, type PhaseName } from '../../phases/context.ts'
import { isFinished, type Epoch, type Experiment, type Json, type Study, type Trial } from '../../sweep/index.ts'
import { readHistory, type EpochRecord } from '../../tracking/index.ts'
import { ConfigError } from '../../util/errors.ts'
import { didYouMean } from '../../util/suggest.ts'
import { listRuns } from '../find-model.ts'
import { runIn, sweepFolders, trialName } from './folders.ts'
import { listStudies, loadStudy } from './load-study.ts'
import { flatSettings } from './setup.ts'

/** An experiment whose phase is not chosen yet. */
interface Source {
  readonly name: string
  readonly settings: Readonly<Record<string, Json>>
  readonly state: Experiment['state']
  readonly records: readonly EpochRecord[]
  /** where there are no records: what the trial reported */
  readonly reported: readonly Epoch[]
  readonly seconds: number | null
}

export interface GatherOptions {
  readonly root: string
  readonly storage: string | undefined
  readonly phase: string | undefined
}

/** @throws {ConfigError} for a name that is neither, or when there is no phase that all have */
export async function gatherExperiments(
  words: readonly string[],
  { root, storage, phase }: GatherOptions,
): Promise<Experiment[]> {
  const sources: Source[] = []
  for (const word of words) sources.push(...(await sourcesOf(word, root, storage, words.length > 1)))
  const chosen = phaseOf(sources, phase)
  // Epochs alone, or whole trials: not a mixture of both.
  const byEpoch = sources.every(({ records }) => records.some((record) => record.phase === chosen))
  return sources.map(({ name, settings, state, records, reported, seconds }) => {
    const own = records.filter((record) => record.phase === chosen)
    const epochs = own.length > 0 ? own.map(epochOf) : reported
    const spent = byEpoch ? own.reduce((sum, record) => sum + record.seconds, 0) : seconds
    return { name, settings, state, epochs, seconds: spent === null ? null : Math.round(spent * 10) / 10 }
  })
}

async function sourcesOf(word: string, root: string, storage: string | undefined, several: boolean): Promise<Source[]> {
  const logs = [join(root, 'logs', word), word].find((folder) => existsSync(join(folder, 'metrics.jsonl')))
  const slash = word.lastIndexOf('/')
  const [name, which] = slash > 0 ? [word.slice(0, slash), word.slice(slash + 1)] : [word, undefined]
  const studies = listStudies(root)
  if (logs !== undefined && !studies.includes(word)) return [await runSource(logs, root)]
  if (storage === undefined && !studies.includes(name)) {
    const known = [...studies, ...listRuns(root)]
    throw new ConfigError(
      `sweep compare: expected a study, study/<trial>, study/best or a run, got "${word}".${didYouMean(name, known)}` +
        (known.length === 0 ? ` There are none below ${root}.` : ` There are: ${known.slice(0, 20).join(', ')}.`),
    )
  }
  const study = await loadStudy(root, name, storage)
  try {
    const trials = pick(study, await study.trials(), which)
    const label = (trial: Trial): string => (several ? `${name}/${trial.number}` : `trial ${trial.number}`)
    return await Promise.all(trials.map((trial) => trialSource(study, trial, label(trial), root)))
  } finally {
    await study.close()
  }
}

/** All trials that have begun, one by its number, or the best. */
function pick(study: Study, trials: readonly Trial[], which: string | undefined): readonly Trial[] {
  if (which === undefined) return trials.filter(({ state }) => state !== 'waiting')
  if (which === 'best') return study.paretoFront(trials)
  const trial = /^\d+$/.test(which) ? trials[Number(which)] : undefined
  if (trial !== undefined) return [trial]
  throw new ConfigError(
    `sweep compare: expected a number below ${trials.length} or "best" after ${study.name}/, got "${which}".`,
  )
}

async function trialSource(study: Study, trial: Trial, name: string, root: string): Promise<Source> {
  // A run of its own has no such lists.
  const setup = Object.entries(study.definition.setup ?? {}).filter(([key]) => key !== 'phases' && key !== 'shared')
  const { logs } = runIn(sweepFolders(root, study.name), root, trialName(trial.number))
  const isLoss = /loss|nll/i.test(study.objectives[0]!)
  const { startedAt, finishedAt } = trial
  return {
    name,
    settings: { ...Object.fromEntries(setup), ...trial.params },
    state: isFinished(trial) ? (trial.state as Experiment['state']) : 'running',
    records: await readHistory(logs),
    reported: trial.reports.map(({ step, value }) => {
      return { epoch: step, trainLoss: null, valLoss: isLoss ? value : null, valAccuracy: isLoss ? null : value }
    }),
    seconds: startedAt === null || finishedAt === null ? null : (Date.parse(finishedAt) - Date.parse(startedAt)) / 1000,
  }
}

async function runSource(logs: string, root: string): Promise<Source> {
  const records = await readHistory(logs)
  const name = basename(logs)
  const config = join(root, 'snapshots', name, 'config.yaml')
  const used = phaseNames.filter((phase) => records.some((record) => record.phase === phase))
  const settings = existsSync(config) ? flatSettings(readPlainYaml(config) as Record<string, Json>, used) : {}
  return { name, settings, state: 'complete', records, reported: [], seconds: null }
}

/** The phase that is compared: the last that all have. */
function phaseOf(sources: readonly Source[], wanted: string | undefined): PhaseName {
  const withRecords = sources.filter(({ records }) => records.length > 0)
  const has = ({ records }: Source, phase: string): boolean => records.some((record) => record.phase === phase)
  const common = trainingPhaseNames.filter((phase) => withRecords.every((source) => has(source, phase)))
  if (wanted !== undefined) {
    const phase = trainingPhaseNames.find((one) => one === wanted)
    if (phase !== undefined && withRecords.some((source) => has(source, phase))) return phase
    throw new ConfigError(
      `--phase: expected a phase that was trained (${trainingPhaseNames.filter((one) => withRecords.some((source) => has(source, one))).join(', ')}), got "${wanted}".`,
    )
  }
  const last = common.at(-1)
  if (last !== undefined) return last
  throw new ConfigError(
    'sweep compare: expected a phase that all of these have trained, there is none. Choose one with --phase.',
  )
}

function epochOf({ epoch, train_loss, val_loss, val_accuracy }: EpochRecord): Epoch {
  return { epoch, trainLoss: train_loss, valLoss: val_loss, valAccuracy: val_accuracy }
}
