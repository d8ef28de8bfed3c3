/**
 * Phase distill: the student learns the teacher's soft scores (Hinton et al. 2015, arXiv 1503.02531), its features if wanted, and the
 * labels.
 */
import { torch, type Tensor } from '../binding/index.ts'
import {
  contentShares,
  cosineLogits,
  dkdLoss,
  dominantLabel,
  embeddingLoss,
  hintLoss,
  kdLoss,
  rest,
  times,
  type Share,
} from '../losses/index.ts'
import { createHead, type Head } from '../models/index.ts'
import { classificationTask } from './classification-task.ts'
import type { Phase } from './context.ts'
import { cosineHead, LabelLoss } from './label-loss.ts'
import { batchMixer, type MixedStep } from './mixing.ts'
import { distillOptionsSchema, type DistillOptions } from './options/distill.ts'
import { openTeacher, type Teacher } from './teacher.ts'
import { runTrainingPhase } from './training-phase.ts'

export const distillPhase: Phase<DistillOptions> = {
  name: 'distill',
  summary: 'trains a student on the soft scores of a teacher (the averaged arcface model) and on the labels',
  optionsSchema: distillOptionsSchema,
  run(options, context) {
    const disposables: { dispose(): void }[] = []
    return runTrainingPhase(
      {
        name: 'distill',
        head: cosineHead(options),
        logitScale: options.scale,
        views: 1,
        ...(options.alpha < 1 ? { labelLoss: options.hardLoss } : {}),
        async task(parts) {
          const { alpha, featureWeight, embeddingWeight, scale } = options
          const { device, seed, data } = context
          const teacher = await openTeacher(options, parts, context)
          disposables.push(teacher)
          context.logger.info(`distill: the teacher is ${teacher.source}`)
          const labelLoss = new LabelLoss('distill', options.hardLoss, options, { train: data.train, device, scale })
          disposables.push(labelLoss)
          const compares = featureWeight > 0 || embeddingWeight > 0
          const [inFeatures, numClasses] = [parts.pair.numFeatures, teacher.numFeatures]
          const projection =
            compares && inFeatures !== numClasses
              ? await createHead({ kind: 'linear', inFeatures, numClasses, device, seed: seed + 2 })
              : null
          if (projection !== null) disposables.push(projection)
          return classificationTask('distill', parts, {
            scale,
            mixer: batchMixer('distill', options, seed),
            beside: projection === null ? [] : [{ prefix: 'projection', parameters: projection.namedParameters() }],
            memory: memoryOf(labelLoss, projection),
            scalars: ({ epoch }) =>
              options.teacherWarmupEpochs === 0 ? {} : { ramp: rampOf(options.teacherWarmupEpochs, epoch) },
            async loss(mixed, _, scalars) {
              const { ops } = torch
              const step = alpha < 1 || options.softLoss === 'dkd' ? await byContent(mixed, teacher) : mixed
              const seen = await teacher.look(step.images)
              const terms: [name: string, weight: Share, loss: Tensor][] = []
              const ramped = (weight: number): Share => product(scalars.ramp ?? 1, weight)
              if (alpha > 0) terms.push([options.softLoss, ramped(alpha), softLoss(options, step, seen.logits)])
              if (compares) {
                const own = projection === null ? step.features : await projection.forward(step.features)
                const to = (loss: typeof hintLoss): Tensor =>
                  overPartners(step, seen.features, (target) => loss(own, target))
                if (featureWeight > 0) terms.push(['hint', ramped(featureWeight), to(hintLoss)])
                if (embeddingWeight > 0) terms.push(['embedding', ramped(embeddingWeight), to(embeddingLoss)])
              }
              if (alpha < 1) terms.push(['labels', 1 - alpha, labelLoss.of(step)])
              return {
                loss: terms.map(([, weight, loss]) => times(loss, weight)).reduce((sum, term) => ops.add(sum, term)),
                parts: Object.fromEntries(terms.map(([name, , loss]) => [name, loss])),
              }
            },
          })
        },
        dispose() {
          for (const each of disposables) each.dispose()
        },
      },
      options,
      context,
    )
  },
}

/** TokenMix's labels count by what the teacher sees of them; by area where it has no map of places. */
export async function byContent(step: MixedStep, teacher: Pick<Teacher, 'activations'>): Promise<MixedStep> {
  const { tokens, labels } = step
  if (tokens === null || labels.mixed === null) return step
  const maps = await teacher.activations(tokens.images, labels.own)
  if (maps.length === 0) return step
  const { ops } = torch
  const shares = ops.mean(ops.stack(maps.map((map) => contentShares(map, tokens.own, tokens.partners))), [0])
  return { ...step, labels: { ...labels, mixed: { ...labels.mixed, shares } } }
}

/** What the teacher's part counts in an epoch (from 0) of the warm-up, as mdistiller's: (epoch + 1) / epochs, at most 1. */
export function rampOf(warmupEpochs: number, epoch: number): number {
  return warmupEpochs === 0 ? 1 : Math.min(1, (epoch + 1) / warmupEpochs)
}

/** In float64 for both kinds. */
function product(share: Share, factor: number): Share {
  return typeof share === 'number' ? share * factor : torch.ops.mul(share, factor)
}

/**
 * A loss against what the teacher made of the pictures. It sees mixed pictures as they are. What was mixed inside the student it saw apart:
 * then its results for both count by their shares.
 *
 * @param targets of the teacher [N, …]
 * @param lossOf  against targets; `partners`: whether they are those of the partners
 */
function overPartners(
  { hiddenPartners, labels }: MixedStep,
  targets: Tensor,
  lossOf: (targets: Tensor, partners: boolean) => Tensor,
): Tensor {
  const { ops } = torch
  const own = lossOf(targets, false)
  if (hiddenPartners === null) return own
  const lambda = labels.mixed?.lambda ?? 1
  const partners = lossOf(ops.indexSelect(targets, 0, hiddenPartners), true)
  return ops.add(times(own, lambda), times(partners, rest(lambda)))
}

function softLoss(options: DistillOptions, step: MixedStep, scores: Tensor): Tensor {
  const { temperature, softLoss: kind, scale } = options
  const student = cosineLogits(step.outputs, scale)
  if (kind === 'kd') return overPartners(step, scores, (target) => kdLoss(student, target, { temperature }))
  const weights = { temperature, alpha: options.dkdAlpha ?? 1, beta: options.dkdBeta ?? 8 }
  const { labels, hiddenPartners } = step
  // Scores of a mixed picture have one target class: the dominant one. Scores of the two pictures apart have their own.
  const label = (partners: boolean): Tensor => {
    if (hiddenPartners === null) return dominantLabel(labels)
    return partners && labels.mixed !== null ? labels.mixed.partner : labels.own
  }
  return overPartners(step, scores, (target, partners) => dkdLoss(student, target, label(partners), weights))
}

/** The statistics of a margin and the projection, as one part of a snapshot. */
function memoryOf(
  labelLoss: LabelLoss,
  projection: Head | null,
): { state(): Map<string, Tensor>; restore(state: ReadonlyMap<string, Tensor>): Promise<void> } {
  const prefix = 'projection.'
  return {
    state: () =>
      new Map([
        ...labelLoss.state(),
        ...Array.from(projection?.stateDict() ?? [], ([name, tensor]): [string, Tensor] => [prefix + name, tensor]),
      ]),
    async restore(state) {
      labelLoss.restore(state)
      await projection?.loadStateDict(
        new Map(
          [...state].flatMap(([name, value]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), value]] : [])),
        ),
      )
    },
  }
}
