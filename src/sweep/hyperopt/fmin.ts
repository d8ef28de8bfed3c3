/** hyperopt's entry: minimizes a function over a space, one trial after the other. */
import { ConfigError } from '../../util/errors.ts'
import type { Sampler } from '../samplers/sampler.ts'
import type { Params, Space } from '../space/space.ts'
import type { Trial } from '../trial.ts'
import { describeDistribution } from '../space/distribution.ts'
import { checkFminOptions, preview } from './check-options.ts'
import { compileSpace, space_eval, type Point } from './compile.ts'
import { JOB_STATE_DONE, JOB_STATE_ERROR, STATUS_FAIL, STATUS_OK } from './status.ts'
import { tpe, type Algorithm } from './suggest.ts'
import { lossOf, pointOf, Trials, type Result, type TrialDocument } from './trials.ts'

export interface FminOptions<T = never> {
  /** takes the space with everything drawn; returns the loss, or { status, loss, … } */
  readonly objective: (args: T) => number | Result | Promise<number | Result>
  readonly space: unknown
  /** default tpe.suggest */
  readonly algo?: Algorithm
  /** trials at the end, those that `trials` holds already among them */
  readonly maxEvals: number
  /** continues this record, which gets the new trials; default a new one */
  readonly trials?: Trials
  /** non-negative; the same seed gives the same trials. Default: a new one each time */
  readonly seed?: number
  /** no trial is begun after so many seconds */
  readonly timeout?: number
  /** ends when a loss is at or below this */
  readonly lossThreshold?: number
  /** points that are tried first, by label */
  readonly pointsToEvaluate?: readonly Point[]
  /** an objective that throws is a failed trial, and the search goes on; default false, as in hyperopt: fmin throws */
  readonly catchEvalExceptions?: boolean
  /** after each trial; true ends the search */
  readonly earlyStopFn?: (trials: Trials) => boolean
}

/**
 * @returns the numbers of the best trial by label; for hp.choice the index of the option. space_eval(space, point) makes values of them
 * @throws {ConfigError} for a space or an option that is wrong, or when no trial had a finite loss; what the objective throws
 */
export async function fmin<T = never>(options: FminOptions<T>): Promise<Point> {
  checkFminOptions(options)
  const { objective, maxEvals, timeout, lossThreshold, catchEvalExceptions = false } = options
  const seed = options.seed ?? Math.floor(Math.random() * 2 ** 32)
  const space = compileSpace(options.space)
  const queue = (options.pointsToEvaluate ?? []).map((point) => space.check(point, 'fmin: pointsToEvaluate'))
  const trials = options.trials ?? new Trials()
  const history = trials.trials.map((document) => trialOf(document, space))
  const sampler: unknown = (options.algo ?? tpe.suggest)()
  if (!isSampler(sampler))
    throw new ConfigError(`fmin: expected algo to make a sampler as tpe.suggest does, got ${preview(sampler)}.`)
  const end = timeout === undefined ? Infinity : performance.now() + timeout * 1000
  while (trials.length < maxEvals && performance.now() < end) {
    const number = trials.length
    const params = queue[number] ?? sampler.suggest({ space, directions: ['minimize'], history, number, seed })
    if (params === null) break
    expectFinite(params, space)
    const began = new Date()
    const { result, error } = await evaluate(objective, space_eval(options.space, params as Point) as T)
    const document = documentOf(number, params, space, result, error, began)
    trials.insert(document)
    history.push(trialOf(document, space))
    if (error !== null && !catchEvalExceptions) throw error
    const loss = lossOf(result)
    if (lossThreshold !== undefined && loss !== null && loss <= lossThreshold) break
    if (options.earlyStopFn?.(trials) === true) break
  }
  return trials.argmin
}

function isSampler(value: unknown): value is Sampler {
  return typeof (value as Partial<Sampler> | null | undefined)?.suggest === 'function'
}

/** A prior can reach beyond the doubles: the objective never sees an infinity. */
function expectFinite(params: Params, space: Space): void {
  for (const [label, value] of Object.entries(params)) {
    if (Number.isFinite(value)) continue
    const prior = describeDistribution(space.get(label)!.distribution)
    throw new ConfigError(`fmin: "${label}" was drawn as ${preview(value)} from ${prior}. Give it a narrower range.`)
  }
}

async function evaluate<T>(
  objective: FminOptions<T>['objective'],
  args: T,
): Promise<{ result: Result; error: Error | null }> {
  try {
    const returned = await objective(args)
    if (typeof returned === 'number') return { result: { status: STATUS_OK, loss: returned }, error: null }
    if (typeof returned === 'object' && returned !== null && typeof returned.status === 'string')
      return { result: returned, error: null }
    const error = new ConfigError(
      `fmin: expected the objective to return a number or { status, loss }, got ${preview(returned)}.`,
    )
    return { result: { status: STATUS_FAIL }, error }
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown))
    return { result: { status: STATUS_FAIL }, error }
  }
}

function documentOf(
  tid: number,
  params: Params,
  space: Space,
  result: Result,
  error: Error | null,
  began: Date,
): TrialDocument {
  const lists = (of: (value: number) => number): Record<string, number[]> =>
    Object.fromEntries(
      space.parameters.map(({ name }) => [name, Object.hasOwn(params, name) ? [of(params[name] as number)] : []]),
    )
  return {
    tid,
    state: error === null ? JOB_STATE_DONE : JOB_STATE_ERROR,
    result,
    misc: {
      tid,
      vals: lists((value) => value),
      idxs: lists(() => tid),
      ...(error === null ? {} : { error: [error.name, error.message] as const }),
    },
    book_time: began,
    refresh_time: new Date(),
  }
}

/** A document as the samplers know trials. A loss that is NaN is told apart from one that failed otherwise. */
function trialOf(document: TrialDocument, space: Space): Trial {
  const { tid, result } = document
  const loss = lossOf(result)
  const nan = result.status === STATUS_OK
  return {
    number: tid,
    state: loss === null ? 'failed' : 'complete',
    params: space.check(pointOf(document), `trials: trial ${tid}`),
    values: loss === null ? null : [loss],
    reports: [],
    failure: loss === null ? { kind: nan ? 'nan' : 'error', message: '' } : null,
    owner: null,
    attempt: 1,
    startedAt: null,
    finishedAt: null,
    attributes: {},
  }
}
