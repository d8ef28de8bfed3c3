/**
 * The written analysis of a table of experiments. It says what the numbers say: who won and by how much, what each setting did where all
 * else was equal, who overfitted, and what the table cannot tell.
 */
import {
  bestEpoch,
  isBetter,
  isNumber,
  ranked,
  settingText,
  varyingKeys,
  type BestEpoch,
  type Experiment,
  type Measure,
} from './experiment.ts'
import { keyTitles, valueText } from './table.ts'

export interface Paragraph {
  readonly title: string
  readonly sentences: readonly string[]
}

type Ranked = ReturnType<typeof ranked>[number]

/** Settings that change chance alone. */
const isSeed = (key: string): boolean => /(^|\.)seed$/.test(key)
/** A rise after the best epoch counts as overfitting beyond this share of the best loss. */
const OVERFITTING = 0.02
const MOST_PAIRS = 3
/** Epochs from which ups and downs are compared. */
const LEAST_EPOCHS = 3

export function writtenAnalysis(experiments: readonly Experiment[], measure: Measure): Paragraph[] {
  const order = ranked(experiments, measure)
  if (order.length === 0) {
    return [
      {
        title: 'Best performing configuration',
        sentences: ['No experiment is complete, so there is nothing to compare.'],
      },
    ]
  }
  const keys = varyingKeys(order.map(({ experiment }) => experiment))
  const settings = keys.filter((key) => !isSeed(key))
  return [
    { title: 'Best performing configuration', sentences: bestSentences(order, settings, measure) },
    ...settings.map((key) => comparison(key, settings, order, measure)),
    ...overfitting(order, measure),
    { title: 'Final observation', sentences: finalSentences(order, settings, experiments, measure) },
  ]
}

function bestSentences(order: readonly Ranked[], settings: readonly string[], measure: Measure): string[] {
  const [first, second] = [order[0]!, order[1]]
  const titles = keyTitles(settings)
  const given = settings.map((key, i) => `${lower(titles[i]!)} ${settingText(first.experiment.settings[key])}`)
  const epochs = first.experiment.epochs.length
  const sentences = [
    `${first.experiment.name} has the ${measure.isLoss ? 'lowest' : 'highest'} ${measure.name}: ${valueText(first.best.value)}, ` +
      `in epoch ${first.best.epoch} of ${epochs}${given.length === 0 ? '' : `, with ${given.join(', ')}`}.`,
  ]
  if (second !== undefined) sentences.push(`Next comes ${second.experiment.name}, ${behind(second.best, first.best)}.`)
  if (epochs > 1 && first.best.epoch === first.experiment.epochs.at(-1)!.epoch)
    sentences.push('Its best epoch is its last: it was still getting better, and more epochs may help.')
  return sentences
}

/** What one setting did: between experiments that differ in it alone, else between the groups of its values. */
function comparison(key: string, settings: readonly string[], order: readonly Ranked[], measure: Measure): Paragraph {
  const values = [...new Set(order.map(({ experiment }) => settingText(experiment.settings[key])))]
  const [title] = keyTitles([key])
  const unique = keyTitles(settings)[settings.indexOf(key)]!
  const shown = values.length <= 4 ? values : [...values.slice(0, 3), '…']
  const name = `${unique} comparison (${shown.join(' vs ')})`
  const pairs = pairsThatDifferIn(key, settings, order)
  if (pairs.length > 0) {
    const told = pairs.slice(0, MOST_PAIRS).flatMap((pair) => pairSentences(pair, key, lower(title!), measure))
    const more = pairs.length > MOST_PAIRS ? [tally(pairs, key, measure)] : []
    return { title: name, sentences: [...told, ...more] }
  }
  return { title: name, sentences: groupSentences(key, lower(title!), order, measure) }
}

type Pair = readonly [better: Ranked, worse: Ranked]

function pairsThatDifferIn(key: string, settings: readonly string[], order: readonly Ranked[]): Pair[] {
  const others = settings.filter((other) => other !== key)
  const text = ({ experiment }: Ranked, one: string): string => settingText(experiment.settings[one])
  return order.flatMap((better, i) =>
    order
      .slice(i + 1)
      .filter(
        (worse) =>
          text(better, key) !== text(worse, key) && others.every((one) => text(better, one) === text(worse, one)),
      )
      .map((worse) => [better, worse] as const),
  )
}

function pairSentences([better, worse]: Pair, key: string, title: string, measure: Measure): string[] {
  const of = ({ experiment }: Ranked): string => settingText(experiment.settings[key])
  const sentences = [
    `With all else equal, ${title} ${of(better)} (${better.experiment.name}) reached ${valueText(better.best.value)} in epoch ` +
      `${better.best.epoch}, ${of(worse)} (${worse.experiment.name}) ${valueText(worse.best.value)} in epoch ${worse.best.epoch}: ` +
      `${of(worse)} is ${behind(worse.best, better.best)}.`,
  ]
  const caught = better.experiment.epochs.find((epoch) => {
    const value = epoch[measure.key]
    return isNumber(value) && !isBetter(worse.best.value, value, measure)
  })
  if (caught !== undefined && caught.epoch < worse.best.epoch)
    sentences.push(
      `${of(better)} was as good as that in epoch ${caught.epoch} already: ${of(worse)} converges more slowly.`,
    )
  const [own, other] = [setbacks(better.experiment, measure), setbacks(worse.experiment, measure)]
  if (own !== null && other !== null && own !== other) {
    const calmer = own < other ? better : worse
    sentences.push(
      `${of(calmer)} is the smoother: its ${measure.name} got worse from one epoch to the next ${times(Math.min(own, other))}, that of the other ` +
        `${times(Math.max(own, other))}.`,
    )
  }
  return sentences
}

function tally(pairs: readonly Pair[], key: string, measure: Measure): string {
  const wins = new Map<string, number>()
  for (const [{ experiment }] of pairs) {
    const value = settingText(experiment.settings[key])
    wins.set(value, (wins.get(value) ?? 0) + 1)
  }
  const sorted = [...wins].sort(([, a], [, b]) => b - a)
  const told = sorted.map(([value, count]) => `${value} ${times(count)}`).join(', ')
  return `Of ${pairs.length} pairs that differ in nothing else, the better ${measure.name} went to ${told}.`
}

/** Values against each other where no two experiments differ in this alone. */
function groupSentences(key: string, title: string, order: readonly Ranked[], measure: Measure): string[] {
  const caution = `No two experiments differ in the ${title} alone, so that this is no controlled comparison.`
  const numbers = order.map(({ experiment }) => experiment.settings[key])
  const groups = new Map<string, number[]>()
  for (const { experiment, best } of order) {
    const text = settingText(experiment.settings[key])
    groups.set(text, [...(groups.get(text) ?? []), best.value])
  }
  if (numbers.every((value) => typeof value === 'number') && groups.size > 4) {
    const rho = spearman(
      numbers,
      order.map(({ best }) => best.value),
    )
    const strength = Math.abs(rho) < 0.3 ? 'hardly' : Math.abs(rho) < 0.7 ? 'to some degree' : 'closely'
    const direction = rho > 0 === measure.isLoss ? 'worse' : 'better'
    return [
      caution,
      `Over ${order.length} experiments the rank correlation of ${title} and ${measure.name} is ${rho.toFixed(2)}: they go together ${strength}` +
        `${Math.abs(rho) < 0.3 ? '' : `, greater values being ${direction}`}.`,
    ]
  }
  const means = [...groups]
    .map(([value, list]) => ({
      value,
      count: list.length,
      mean: list.reduce((sum, one) => sum + one, 0) / list.length,
    }))
    .sort((a, b) => (measure.isLoss ? a.mean - b.mean : b.mean - a.mean))
  const told = means.map(({ value, count, mean }) => `${value}: ${valueText(mean)} (${count})`).join(', ')
  return [caution, `Mean best ${measure.name} by ${title}, with the number of experiments: ${told}.`]
}

function overfitting(order: readonly Ranked[], measure: Measure): Paragraph[] {
  if (!measure.isLoss) return []
  const sentences = order.flatMap(({ experiment, best }) => {
    const last = experiment.epochs.at(-1)!
    const end = last[measure.key]
    const training = (at: number): number | null =>
      experiment.epochs.find(({ epoch }) => epoch === at)?.trainLoss ?? null
    const [before, after] = [training(best.epoch), training(last.epoch)]
    if (!isNumber(end) || !isNumber(before) || !isNumber(after)) return []
    if (end <= best.value * (1 + OVERFITTING) || after >= before) return []
    return [
      `${experiment.name}: after epoch ${best.epoch} the ${measure.name} rose from ${valueText(best.value)} to ${valueText(end)} while the ` +
        `training loss fell from ${valueText(before)} to ${valueText(after)}.`,
    ]
  })
  return sentences.length === 0 ? [] : [{ title: 'Overfitting', sentences }]
}

function finalSentences(
  order: readonly Ranked[],
  settings: readonly string[],
  experiments: readonly Experiment[],
  measure: Measure,
): string[] {
  const best = order[0]!
  const titles = keyTitles(settings)
  const given = settings.map((key, i) => `${lower(titles[i]!)} ${settingText(best.experiment.settings[key])}`)
  const most = Math.max(...order.map(({ experiment }) => experiment.epochs.length))
  const sentences = [
    given.length === 0
      ? `${best.experiment.name} is the best of ${order.length}.`
      : `Of the ${order.length} complete experiments, of at most ${most} epochs, ${given.join(', ')} gave the best ${measure.name}.`,
  ]
  const lost = experiments.filter(({ state }) => state === 'pruned' || state === 'failed')
  if (lost.length > 0)
    sentences.push(`${lost.length} that were pruned or failed are in the table and not in the comparison.`)
  const spread = spreadOfRepeats(order, settings)
  const margin = order[1] === undefined ? null : Math.abs(order[1].best.value - best.best.value)
  if (spread === null)
    sentences.push(
      'No setting was repeated with another seed: whether differences of this size are chance is not known.',
    )
  else if (margin !== null && margin < 2 * spread)
    sentences.push(
      `Repeats with other seeds differ by ${valueText(spread)} (standard deviation): the first two are not told apart by this.`,
    )
  else sentences.push(`Repeats with other seeds differ by ${valueText(spread)} (standard deviation).`)
  return sentences
}

/** Pooled standard deviation of experiments that differ in nothing but the seed; null without such. */
function spreadOfRepeats(order: readonly Ranked[], settings: readonly string[]): number | null {
  const groups = new Map<string, number[]>()
  for (const { experiment, best } of order) {
    const text = settings.map((key) => settingText(experiment.settings[key])).join('\0')
    groups.set(text, [...(groups.get(text) ?? []), best.value])
  }
  let squares = 0
  let freedom = 0
  for (const list of groups.values()) {
    const mean = list.reduce((sum, value) => sum + value, 0) / list.length
    squares += list.reduce((sum, value) => sum + (value - mean) ** 2, 0)
    freedom += list.length - 1
  }
  return freedom === 0 ? null : Math.sqrt(squares / freedom)
}

/** How often the measure got worse from one epoch to the next; null for a short curve. */
function setbacks(experiment: Experiment, measure: Measure): number | null {
  const curve = experiment.epochs.flatMap((epoch) => (isNumber(epoch[measure.key]) ? [epoch[measure.key]!] : []))
  if (curve.length < LEAST_EPOCHS || bestEpoch(experiment, measure) === null) return null
  return curve.slice(1).filter((value, i) => isBetter(curve[i]!, value, measure)).length
}

/** Rank correlation; equal values share their mean rank. */
export function spearman(a: readonly number[], b: readonly number[]): number {
  const [x, y] = [ranks(a), ranks(b)]
  const mean = (a.length + 1) / 2
  const sum = (f: (i: number) => number): number => a.reduce<number>((total, _, i) => total + f(i), 0)
  const scale = Math.sqrt(sum((i) => (x[i]! - mean) ** 2) * sum((i) => (y[i]! - mean) ** 2))
  return scale === 0 ? 0 : sum((i) => (x[i]! - mean) * (y[i]! - mean)) / scale
}

function ranks(values: readonly number[]): number[] {
  return values.map((value) => {
    const below = values.filter((other) => other < value).length
    const equal = values.filter((other) => other === value).length
    return below + (equal + 1) / 2
  })
}

/** `0.0168 (2.0 %) behind` */
function behind(worse: BestEpoch, better: BestEpoch): string {
  const gap = Math.abs(worse.value - better.value)
  if (gap === 0) return 'level with it'
  const share = better.value === 0 ? '' : ` (${((gap / Math.abs(better.value)) * 100).toFixed(1)} %)`
  return `${valueText(gap)}${share} behind`
}

function times(count: number): string {
  return count === 0 ? 'never' : count === 1 ? 'once' : `${count} times`
}

function lower(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}
