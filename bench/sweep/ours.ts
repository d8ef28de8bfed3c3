/**
 * Our side of the sampler benchmark; prints one JSON line as peer.py does.
 *
 *   node --import tsx bench/sweep/ours.ts [seeds] [trials]
 */
import { RandomSampler, TpeSampler, type Sampler, type Trial } from '../../src/sweep/index.ts'
import { Rng } from '../../src/util/rng.ts'
import { problems, type Problem } from './problems.ts'

const [seeds = 20, trials = 100] = process.argv.slice(2, 4).map(Number)
const kind = process.argv[4] ?? 'tpe'

/** The noise-free value of the trial with the best value that was seen, and the processor's milliseconds for all suggestions. */
function best(problem: Problem, sampler: Sampler, seed: number): { value: number; milliseconds: number } {
  const history: Trial[] = []
  let incumbent = { seen: Infinity, value: NaN }
  let milliseconds = 0
  for (let number = 0; number < trials; number++) {
    const began = process.cpuUsage()
    const params = sampler.suggest({ space: problem.space, directions: ['minimize'], history, number, seed })!
    const used = process.cpuUsage(began)
    milliseconds += (used.user + used.system) / 1000
    const value = problem.value(params)
    const rng = new Rng({ seed, sample: number, operation: 99 })
    const normal = Math.sqrt(-2 * Math.log(1 - rng.uniform())) * Math.cos(2 * Math.PI * rng.uniform())
    const seen = value + problem.noise * normal
    if (seen < incumbent.seen) incumbent = { seen, value }
    history.push({
      number,
      state: 'complete',
      params,
      values: [seen],
      reports: [],
      failure: null,
      owner: null,
      attempt: 1,
      startedAt: null,
      finishedAt: null,
      attributes: {},
    })
  }
  return { value: incumbent.value, milliseconds }
}

const values: Record<string, number[]> = {}
const milliseconds: Record<string, number[]> = {}
for (const problem of problems) {
  const runs = Array.from({ length: seeds }, (_, seed) =>
    best(problem, kind === 'random' ? new RandomSampler() : new TpeSampler(), seed),
  )
  values[problem.name] = runs.map(({ value }) => value)
  milliseconds[problem.name] = runs.map((run) => Number(run.milliseconds.toFixed(1)))
}
process.stdout.write(`${JSON.stringify({ values, milliseconds })}\n`)
