/** `schedule` as it is written: a name, or a map with the name and what that kind reads. */
import { z } from 'zod'
import { ConfigError } from '../util/errors.ts'
import type { OptionShape } from '../util/option-shape.ts'
import { snakeCase } from '../util/snake-case.ts'
import { durationInSteps, type StepSize } from './duration.ts'
import { scheduleKinds, type Schedule, type ScheduleKind } from './schedule.ts'

export interface ScheduleOptions {
  readonly kind: ScheduleKind
  readonly everyEpochs: number | null
  readonly everySteps: number | null
  readonly everyExamples: number | null
  readonly milestonesEpochs: readonly number[] | null
  readonly milestonesSteps: readonly number[] | null
  readonly milestonesExamples: readonly number[] | null
  readonly cycleEpochs: number | null
  readonly cycleSteps: number | null
  readonly cycleExamples: number | null
  readonly cycleMultiplier: number | null
  readonly cycleDecay: number | null
  readonly keepCycles: boolean | null
  readonly factor: number | null
  readonly power: number | null
  readonly riseFraction: number | null
  readonly initialFraction: number | null
  readonly patience: number | null
  readonly threshold: number | null
}

type Key = Exclude<keyof ScheduleOptions, 'kind'>

const every = ['everyEpochs', 'everySteps', 'everyExamples'] as const
const milestones = ['milestonesEpochs', 'milestonesSteps', 'milestonesExamples'] as const
const cycle = ['cycleEpochs', 'cycleSteps', 'cycleExamples'] as const

/** What each kind reads; anything else beside it is an error. */
const read: Readonly<Record<ScheduleKind, readonly Key[]>> = {
  cosine: [],
  constant: [],
  exponential: [],
  step: [...every, 'factor'],
  multistep: [...milestones, 'factor'],
  polynomial: ['power'],
  cosine_restarts: [...cycle, 'cycleMultiplier', 'cycleDecay', 'keepCycles'],
  onecycle: ['riseFraction', 'initialFraction'],
  plateau: ['factor', 'patience', 'threshold'],
}

/** One of each must be given to these kinds. */
const needed: Readonly<Partial<Record<ScheduleKind, readonly Key[]>>> = {
  step: every,
  multistep: milestones,
  cosine_restarts: cycle,
}

/** As they are written in YAML. */
function listed(keys: readonly string[]): string {
  return keys.map(snakeCase).join(', ')
}

const number = z.number().positive().nullable().default(null)
const whole = z.number().int().positive().nullable().default(null)
const rising = z
  .array(z.number().positive())
  .min(1)
  .refine((list) => list.every((value, i) => i === 0 || value > (list[i - 1] as number)), 'expected rising numbers')
  .nullable()
  .default(null)

const shape: OptionShape<ScheduleOptions> = {
  kind: z.enum(scheduleKinds),
  everyEpochs: number.describe('step: epochs between two cuts'),
  everySteps: whole.describe('step: optimizer steps between two cuts'),
  everyExamples: whole.describe('step: images between two cuts'),
  milestonesEpochs: rising.describe('multistep: epochs before each cut'),
  milestonesSteps: rising.describe('multistep: optimizer steps before each cut'),
  milestonesExamples: rising.describe('multistep: images before each cut'),
  cycleEpochs: number.describe('cosine_restarts: epochs of the first cycle'),
  cycleSteps: whole.describe('cosine_restarts: optimizer steps of the first cycle'),
  cycleExamples: whole.describe('cosine_restarts: images of the first cycle'),
  cycleMultiplier: z
    .number()
    .min(1)
    .nullable()
    .default(null)
    .describe('cosine_restarts: how much longer each cycle is than the one before; default 1'),
  cycleDecay: z
    .number()
    .gt(0)
    .max(1)
    .nullable()
    .default(null)
    .describe('cosine_restarts: peak of each cycle relative to the one before; default 1'),
  keepCycles: z
    .boolean()
    .nullable()
    .default(null)
    .describe('cosine_restarts: keep the snapshot of the end of each cycle, for an ensemble; cycles of whole epochs'),
  factor: z
    .number()
    .gt(0)
    .lt(1)
    .nullable()
    .default(null)
    .describe('step, multistep, plateau: what a cut leaves of the rate; default 0.1'),
  power: number.describe('polynomial: default 1, a straight line'),
  riseFraction: z
    .number()
    .gt(0)
    .lt(1)
    .nullable()
    .default(null)
    .describe('onecycle: share of the steps in which the rate rises; default 0.3'),
  initialFraction: z
    .number()
    .gt(0)
    .max(1)
    .nullable()
    .default(null)
    .describe('onecycle: where it begins, as a fraction of lr; default 0.04'),
  patience: z
    .number()
    .int()
    .min(0)
    .nullable()
    .default(null)
    .describe('plateau: epochs without improvement that are waited out before a cut; default 10'),
  threshold: z
    .number()
    .min(0)
    .nullable()
    .default(null)
    .describe('plateau: relative change of the monitored number that counts as improvement; default 1e-4'),
}

const map = z.strictObject(shape).superRefine((options, issues) => {
  const given = (Object.keys(options) as (keyof ScheduleOptions)[]).filter(
    (key): key is Key => key !== 'kind' && options[key] !== null,
  )
  for (const key of given)
    if (!read[options.kind].includes(key))
      issues.addIssue({ code: 'custom', path: [key], message: `${options.kind} does not read it. Remove the key` })
  const group = needed[options.kind] ?? []
  const units = given.filter((key) => group.includes(key))
  if (units.length > 1)
    issues.addIssue({ code: 'custom', path: [units[1] as Key], message: `only one of ${listed(group)} can be given` })
  const { keepCycles, cycleEpochs, cycleMultiplier } = options
  if (keepCycles === true && !(Number.isInteger(cycleEpochs) && Number.isInteger(cycleMultiplier ?? 1)))
    issues.addIssue({
      code: 'custom',
      path: ['keepCycles'],
      message: 'needs cycles that end with an epoch: a whole cycle_epochs, and a whole cycle_multiplier if any',
    })
  if (group.length > 0 && units.length === 0)
    issues.addIssue({ code: 'custom', path: ['kind'], message: `${options.kind} needs one of ${listed(group)}` })
})

const nothing: ScheduleOptions = {
  ...(Object.fromEntries(Object.keys(shape).map((key) => [key, null])) as unknown as ScheduleOptions),
  kind: 'cosine',
}

export const scheduleSchema: z.ZodType<ScheduleKind | ScheduleOptions> = z.union([
  z.enum(scheduleKinds).refine((kind) => needed[kind] === undefined, {
    error: (issue) => {
      const kind = issue.input as ScheduleKind
      return `${String(kind)} needs a map: { kind: ${String(kind)}, and one of ${listed(needed[kind] ?? [])} }`
    },
  }),
  map,
])

export function scheduleOptions(schedule: ScheduleKind | ScheduleOptions): ScheduleOptions {
  return typeof schedule === 'string' ? { ...nothing, kind: schedule } : schedule
}

/** Kinds that end, or whose cycles end, at final_lr_fraction of the rate; plateau cuts no further. */
export const kindsWithAnEnd: readonly ScheduleKind[] = [
  'cosine',
  'exponential',
  'polynomial',
  'cosine_restarts',
  'onecycle',
  'plateau',
]

/**
 * The schedule with everything in steps.
 *
 * @param what names the schedule in messages
 * @throws {ConfigError} when a cut or a cycle is shorter than a step
 */
export function scheduleInSteps(
  options: ScheduleOptions,
  size: StepSize,
  what: string,
): Omit<Schedule, 'learningRate' | 'warmupSteps' | 'totalSteps' | 'finalFraction'> {
  const steps = (epochs: number | null, count: number | null, examples: number | null, name: string): number => {
    const length = durationInSteps({ epochs, steps: count, examples }, size, `${what}.${name}`)
    if (length < 1) throw new ConfigError(`${what}.${name}: expected at least one optimizer step, got ${length}`)
    return length
  }
  const { kind, factor, power, cycleMultiplier, cycleDecay, riseFraction, initialFraction } = options
  switch (kind) {
    case 'step':
      return {
        kind,
        every: steps(options.everyEpochs, options.everySteps, options.everyExamples, 'every'),
        factor: factor ?? 0.1,
      }
    case 'multistep':
      return {
        kind,
        milestones: [
          ...(options.milestonesEpochs ?? []).map((epochs) => steps(epochs, null, null, 'milestones')),
          ...(options.milestonesSteps ?? []),
          ...(options.milestonesExamples ?? []).map((examples) => steps(null, null, examples, 'milestones')),
        ],
        factor: factor ?? 0.1,
      }
    case 'cosine_restarts':
      return {
        kind,
        cycle: steps(options.cycleEpochs, options.cycleSteps, options.cycleExamples, 'cycle'),
        cycleMultiplier: cycleMultiplier ?? 1,
        cycleDecay: cycleDecay ?? 1,
      }
    case 'polynomial':
      return { kind, power: power ?? 1 }
    case 'onecycle':
      return { kind, riseFraction: riseFraction ?? 0.3, initialFraction: initialFraction ?? 0.04 }
    default:
      return { kind }
  }
}
