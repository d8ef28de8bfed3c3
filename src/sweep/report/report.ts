/** One self-contained HTML page about a study: works from a file, without a network, on light and dark screens. */
import { renderSvg } from '../../report/index.ts'
import { escapeHtml } from '../../util/html.ts'
import { parameterImportance } from '../importance/importance.ts'
import { paretoFront } from '../pareto.ts'
import type { Parameter } from '../space/space.ts'
import { isFinished, type Trial, type TrialState } from '../trial.ts'
import { ObjectiveView, short, type ReportStudy } from './chart-data.ts'
import { contourChart } from './contour-charts.ts'
import { historyChart } from './history-chart.ts'
import { importanceChart } from './importance-chart.ts'
import { intermediateChart } from './intermediate-chart.ts'
import { emptyNote, grid, page, type Section } from './page.ts'
import { parallelChart } from './parallel-chart.ts'
import { paretoChart } from './pareto-chart.ts'
import { sliceChart } from './slice-charts.ts'
import { durationText, timelineChart, workedTime } from './timeline-chart.ts'
import { bestTable, trialTable } from './trial-table.ts'

export interface SweepReportOptions {
  /** how the best configuration is run; shown as it is */
  readonly command?: string
  /** text of the best configuration */
  readonly configuration?: string
  /** whatever else should stand in the head, by name: the sampler, the seed … */
  readonly facts?: Readonly<Record<string, string>>
}

/** Pairs of the most important parameters that get a contour. */
const CONTOUR_PARAMETERS = 4
/** Members of a Pareto front that are written out. */
const MOST_BEST = 8
const NOTHING = 'No trial is complete yet.'

/** @param trials all of the study, by number */
export async function sweepReport(
  study: ReportStudy,
  trials: readonly Trial[],
  options: SweepReportOptions = {},
): Promise<string> {
  const views = study.objectives.map((_, index) => new ObjectiveView(study, trials, index))
  const sections: Section[] = [bestSection(study, trials, options)]
  if (views.length > 1) sections.push(await paretoSection(study, trials))
  sections.push(
    {
      id: 'history',
      title: 'Optimisation history',
      note: 'Each complete trial, and the best value so far. Marks at the foot are trials without a value.',
      html: await charts(views.map((view) => historyChart(study, trials, view))),
    },
    await importanceSection(study, trials, views),
    {
      id: 'parallel',
      title: 'Parallel coordinates',
      note: 'One line a complete trial; the stronger its colour, the better its value.',
      html: await charts(
        views.map((view) => parallelChart(study, view)),
        NOTHING,
        true,
      ),
    },
    {
      id: 'slices',
      title: 'Slices',
      note:
        'Each parameter against the objective; later trials have the stronger colour. The orange line is what a random forest grown on the ' +
        'trials expects, averaged over the other parameters.',
      html: await charts(
        views.flatMap((view) => study.space.parameters.map((parameter) => sliceChart(study, view, parameter))),
      ),
    },
    {
      id: 'contours',
      title: 'Contours',
      note: 'The forest’s expectation over pairs of the parameters that matter most, averaged over the others; dots are trials, the green one is the best.',
      html: await charts(
        views.flatMap((view) => pairsOf(study, trials, view).map((pair) => contourChart(study, view, pair))),
        'Contours need four complete trials with different values, and two parameters.',
      ),
    },
  )
  if (views.length === 1)
    sections.push({
      id: 'intermediate',
      title: 'Intermediate values',
      note: 'What each trial reported while it ran; a line that ends early was pruned or failed.',
      html: await charts([intermediateChart(study, trials, views[0]!)], 'No trial has reported an intermediate value.'),
    })
  const best = bestTrials(study, trials)
  sections.push(
    {
      id: 'timeline',
      title: 'Timeline',
      note: 'When each trial ran.',
      html: await charts([timelineChart(study, trials)], 'No trial has ended yet.'),
    },
    {
      id: 'trials',
      title: 'Trials',
      note: 'A click on a column sorts by it.',
      html:
        trials.length === 0
          ? emptyNote('There are no trials yet.')
          : trialTable(study, trials, new Set(best.map(({ number }) => number))),
    },
  )
  return page(`Sweep ${study.name}`, lead(study, trials, options), sections)
}

/** The best trial, or the Pareto front. */
function bestTrials(study: ReportStudy, trials: readonly Trial[]): Trial[] {
  const front = paretoFront(trials, study.directions)
  return study.directions.length === 1 ? front.slice(0, 1) : front
}

function lead(study: ReportStudy, trials: readonly Trial[], { facts = {} }: SweepReportOptions): string {
  const states: readonly TrialState[] = ['complete', 'pruned', 'failed', 'running', 'waiting']
  const counts = states
    .map((state) => [trials.filter((trial) => trial.state === state).length, state] as const)
    .filter(([count]) => count > 0)
    .map(([count, state]) => `${count} ${state}`)
  const nan = trials.filter(({ failure }) => failure?.kind === 'nan').length
  const spans = trials.flatMap(({ startedAt, finishedAt }) =>
    startedAt === null || finishedAt === null ? [] : [{ from: Date.parse(startedAt), to: Date.parse(finishedAt) }],
  )
  const worked = spans.length === 0 ? null : workedTime(spans).at(Math.max(...spans.map(({ to }) => to)))
  const [best] = bestTrials(study, trials)
  const parts = [
    `${trials.filter(isFinished).length} finished trials (${counts.join(', ') || 'none yet'}${nan === 0 ? '' : `, ${nan} of the failed NaN`})`,
    ...(worked === null ? [] : [`${durationText(worked)} of work`]),
    ...Object.entries(facts).map(([name, value]) => `${name} ${value}`),
  ]
  const goals = study.objectives.map((name, i) => `${study.directions[i]} ${name}`).join(', ')
  const line =
    best === undefined || study.directions.length > 1
      ? ''
      : `<p><strong>${escapeHtml(study.objectives[0]!)} ${short(best.values![0]!)}</strong> in trial ${best.number}</p>`
  return `<p>${escapeHtml(goals)}</p>${line}<p>${escapeHtml(parts.join(' · '))}</p>`
}

function bestSection(study: ReportStudy, trials: readonly Trial[], options: SweepReportOptions): Section {
  const best = bestTrials(study, trials)
  const several = study.directions.length > 1
  const command = options.command === undefined || best.length === 0 ? '' : `<pre>${escapeHtml(options.command)}</pre>`
  const configuration =
    options.configuration === undefined
      ? ''
      : `<details><summary>the configuration${several ? ' of the first' : ''}</summary><pre>${escapeHtml(options.configuration)}</pre></details>`
  const more =
    best.length > MOST_BEST ? emptyNote(`… and ${best.length - MOST_BEST} more; the table below marks them.`) : ''
  return {
    id: 'best',
    title: several ? 'Configurations that no other one beats' : 'Best configuration',
    html:
      best.length === 0
        ? emptyNote(NOTHING)
        : bestTable(study, best.slice(0, MOST_BEST)) + more + command + configuration,
  }
}

async function paretoSection(study: ReportStudy, trials: readonly Trial[]): Promise<Section> {
  const pairs = study.objectives.flatMap((_, i) =>
    study.objectives.slice(i + 1).map((__, j) => [i, i + 1 + j] as const),
  )
  return {
    id: 'pareto',
    title: 'Pareto front',
    note: 'Trials that no other one beats in every objective; their numbers stand above them.',
    html: await charts(pairs.map((pair) => paretoChart(study, trials, pair))),
  }
}

async function importanceSection(
  study: ReportStudy,
  trials: readonly Trial[],
  views: readonly ObjectiveView[],
): Promise<Section> {
  const specs = views.map((view) => {
    const spec = importanceChart(parameterImportance(study.space, trials, view.direction, view.index))
    return spec === null || views.length === 1 ? spec : { ...spec, title: view.name }
  })
  return {
    id: 'importance',
    title: 'Parameter importance',
    note:
      'Share of the objective’s variance that each parameter explains alone (fANOVA over a random forest of the complete trials). ' +
      'With few trials this is a hint, not a measurement. Losses that span a factor of 20 are compared by their logarithm.',
    html: await charts(specs, 'Importance needs four complete trials with different values.'),
  }
}

/** Pairs of the parameters that matter most. */
function pairsOf(
  study: ReportStudy,
  trials: readonly Trial[],
  view: ObjectiveView,
): (readonly [Parameter, Parameter])[] {
  const chosen = parameterImportance(study.space, trials, view.direction, view.index)
    .filter(({ share }) => share > 0)
    .slice(0, CONTOUR_PARAMETERS)
    .map(({ parameter }) => study.space.get(parameter)!)
  return chosen.flatMap((across, i) => chosen.slice(i + 1).map((up) => [across, up] as const))
}

type Spec = NonNullable<ReturnType<typeof historyChart>>

async function charts(specs: readonly (Spec | null)[], otherwise: string = NOTHING, wide = false): Promise<string> {
  const drawn = specs.filter((spec) => spec !== null)
  if (drawn.length === 0) return emptyNote(otherwise)
  const html = grid(await Promise.all(drawn.map((spec) => renderSvg(spec, 'page'))))
  return wide ? html.replaceAll('<figure>', '<figure class="wide">') : html
}
