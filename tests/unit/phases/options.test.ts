import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pipelineConfigSchema, phases, phaseNames } from '../../../src/phases/index.ts'
import { isSameArchitecture } from '../../../src/phases/networks.ts'
import { marginKindOf } from '../../../src/phases/options/arcface.ts'
import { augmentationThreads } from '../../../src/phases/training-phase.ts'
import { resizeToFor } from '../../../src/phases/image-geometry.ts'

const problem = (input: unknown): string => {
  const parsed = pipelineConfigSchema.safeParse(input)
  return parsed.success
    ? ''
    : parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ')
}

test('options › everything has a default, and the checked object passes the check again', () => {
  const config = pipelineConfigSchema.parse({})
  assert.deepEqual(pipelineConfigSchema.parse(config), config)
  assert.deepEqual(
    phaseNames.map((name) => config[name].enabled),
    [false, true, true, true, true, true],
  )
})

test('options › a phase’s usual length holds when neither epochs nor steps is given, and steps take its place', () => {
  assert.deepEqual(
    [pipelineConfigSchema.parse({}).supcon.epochs, pipelineConfigSchema.parse({}).supcon.steps],
    [20, null],
  )
  const { supcon } = pipelineConfigSchema.parse({ supcon: { steps: 200 } })
  assert.deepEqual([supcon.epochs, supcon.steps], [null, 200])
})

test('options › epochs and steps together, both warm-ups, or a teacher’s head alone are refused', () => {
  assert.match(
    problem({ arcface: { epochs: 3, steps: 9 } }),
    /arcface\.steps: only one of epochs, steps, examples can be given, got epochs=3 and steps=9/,
  )
  assert.match(problem({ train: { warmupEpochs: 1, warmupSteps: 9 } }), /train\.warmupSteps/)
  assert.match(
    problem({ distill: { teacherHeadPath: 'head.safetensors' } }),
    /distill\.teacherHeadPath: .*needs teacher_backbone_path/,
  )
})

test('options › out of range values are refused', () => {
  for (const input of [
    { supcon: { temperature: 0 } },
    { arcface: { margin: 2 } },
    { arcface: { scale: 0 } },
    { distill: { alpha: 1.5 } },
    { train: { labelSmoothing: 1 } },
    { train: { emaDecay: 1 } },
    { train: { lr: 0 } },
    { train: { batchSize: 0 } },
    { train: { keep: 0 } },
    { device: 'gpu' },
    { seed: -1 },
    { run: { name: '../elsewhere' } },
    { export: { formats: [] } },
    { evaluate: { split: 'all' } },
    { supcon: { temprature: 0.1 } },
  ])
    assert.notEqual(problem(input), '', JSON.stringify(input))
})

test('options › one margin can be chosen, and a flag is a spelling of it', () => {
  const kind = (arcface: object): string => marginKindOf(pipelineConfigSchema.parse({ arcface }).arcface)
  assert.deepEqual([{}, { useAdaface: true }, { useCurricularface: true }, { marginHead: 'cosface' }].map(kind), [
    'arcface',
    'adaface',
    'curricularface',
    'cosface',
  ])
  assert.equal(kind({ marginHead: 'adaface', useAdaface: true }), 'adaface')
  assert.match(
    problem({ arcface: { useAdaface: true, useCurricularface: true } }),
    /arcface\.useAdaface: only one margin can be given, got use_curricularface: true and use_adaface: true/,
  )
  assert.match(
    problem({ arcface: { marginHead: 'cosface', useAdaface: true } }),
    /margin_head: cosface and use_adaface/,
  )
  assert.match(problem({ arcface: { marginHead: 'sphereface' } }), /arcface\.marginHead/)
})

test('options › a key that the chosen loss has no use for is refused', () => {
  const refused: [object, RegExp][] = [
    [
      { train: { margin: 0.3 } },
      /train\.margin: margin is for loss_function: arcface, .*and loss_function is cross_entropy/,
    ],
    [{ train: { subCenters: 2 } }, /train\.subCenters: sub_centers is for loss_function/],
    [{ train: { scale: 10 } }, /train\.scale: scale is for loss_function: arcface, .*is cross_entropy/],
    [{ train: { lossFunction: 'focal', scale: 10 } }, /train\.scale: scale is for loss_function.*is focal/],
    [{ train: { adafaceH: 0.3 } }, /train\.adafaceH: adaface_h is for loss_function: adaface/],
    [{ train: { statisticsMomentum: 0.1 } }, /train\.statisticsMomentum: statistics_momentum is for loss_function/],
    [{ train: { focalGamma: 1 } }, /train\.focalGamma: focal_gamma is for loss_function: focal/],
    [
      { train: { lossFunction: 'focal', labelSmoothing: 0.1 } },
      /train\.labelSmoothing: .*not defined for the focal loss/,
    ],
    [{ train: { lossFunction: 'arcface', adafaceH: 0.3 } }, /adaface_h is for loss_function: adaface/],
    [{ arcface: { statisticsMomentum: 0.1 } }, /statistics_momentum is for margin_head: adaface, curricularface/],
    [{ distill: { margin: 0.2 } }, /distill\.margin: margin is for hard_loss/],
    [{ distill: { dkdBeta: 2 } }, /distill\.dkdBeta: dkd_beta is for soft_loss: dkd/],
    [{ train: { classWeights: [1, -1] } }, /train\.classWeights/],
    [{ train: { classWeights: 'even' } }, /train\.classWeights/],
    [{ train: { lossFunction: 'focal', focalGamma: -1 } }, /train\.focalGamma/],
    [{ arcface: { subCenters: 0 } }, /arcface\.subCenters/],
    [{ arcface: { statisticsMomentum: 0, marginHead: 'adaface' } }, /arcface\.statisticsMomentum/],
  ]
  for (const [input, expected] of refused) assert.match(problem(input), expected, JSON.stringify(input))
  assert.equal(problem({ distill: { subCenters: 2 } }), '')
})

test('options › a memory of embeddings that could not act is refused', () => {
  const refused: [object, RegExp][] = [
    [{ xbmStartStep: 5 }, /supcon\.xbmStartStep: xbm_start_step needs xbm_size/],
    [{ xbmSize: 64, steps: 50 }, /xbmStartStep: expected less than the phase’s 50 steps, got 100/],
    [{ xbmSize: 64, mixMethod: 'cutmix' }, /xbmSize: mixed pictures have no class/],
    [{ xbmSize: -1 }, /supcon\.xbmSize/],
    [{ views: 1 }, /supcon\.views/],
  ]
  for (const [supcon, expected] of refused) assert.match(problem({ supcon }), expected, JSON.stringify(supcon))
  assert.equal(problem({ supcon: { xbmSize: 64, mixMethod: 'cutmix', mixProbability: 0.5 } }), '')
})

test('options › teachers exclude each other', () => {
  const refused: [object, RegExp][] = [
    [{ teacherBackbonePath: 'a', teacherSnapshots: ['b'] }, /teacherSnapshots: only one of/],
    [
      { teacher: 'student_ema', teacherBackbonePath: 'a' },
      /teacher: teacher: student_ema and a path of another teacher/,
    ],
    [{ teacher: 'student_ema', useEmaTeacher: false }, /useEmaTeacher: .*contradicts/],
    [{ teacher: 'student_ema', emaDecay: 0 }, /emaDecay: teacher: student_ema needs a weight average/],
    [{ teacherSnapshots: [] }, /teacherSnapshots/],
    [{ teacher: 'mentor' }, /distill\.teacher/],
    [{ featureWeight: -1 }, /featureWeight/],
    [{ teacherWarmupEpochs: 0.5 }, /teacherWarmupEpochs/],
  ]
  for (const [distill, expected] of refused) assert.match(problem({ distill }), expected, JSON.stringify(distill))
})

test('options › each phase stands under its own name', () => {
  for (const name of phaseNames) assert.equal(phases[name].name, name)
})

test('networks › the same architecture is the same name and options, whatever was pretrained', () => {
  const a = { name: 'small_cnn', pretrained: false, width: 8 }
  assert.ok(isSameArchitecture(a, { width: 8, name: 'small_cnn', pretrained: 'weights.safetensors' }))
  assert.ok(!isSameArchitecture(a, { ...a, width: 16 }))
  assert.ok(isSameArchitecture(a, { ...a, tokenMergingRatio: 0.5, dropPathRate: 0.1, tokenLearnerTokens: 0 }))
  assert.ok(!isSameArchitecture(a, { ...a, tokenLearnerTokens: 8 }))
  assert.ok(!isSameArchitecture(a, { ...a, name: 'resnet18' }))
})

test('geometry › new pictures are resampled as the evaluation pictures were', () => {
  const test = { height: 32, width: 32 } as never
  assert.equal(resizeToFor({ imageSize: 32, resizeTo: 36, test }, 32), 36)
  assert.equal(resizeToFor({ imageSize: 32, resizeTo: 36, test }, 64), 64)
  assert.equal(resizeToFor({ imageSize: 32, resizeTo: 36, test }, 24), 32)
})

test('augmentation › one thread beside a step on the processor, data.workers beside a GPU', () => {
  assert.equal(augmentationThreads('cpu', 8), 1)
  assert.equal(augmentationThreads('cuda:0', 8), 8)
  assert.ok(augmentationThreads('cuda:0', undefined) >= 1)
})

const cycles = { kind: 'cosine_restarts', cycleEpochs: 2, keepCycles: true } as const

test('options › what an optimizer, a schedule or a tool around them does not read is refused', () => {
  for (const [train, expected] of [
    [{ momentum: 0.9 }, /train\.momentum: the optimizer adamw does not read it/],
    [{ nesterov: true }, /train\.nesterov: the optimizer adamw/],
    [{ optimizer: 'sgd', beta1: 0.9 }, /train\.beta1: the optimizer sgd/],
    [{ optimizer: 'sgd', beta2: 0.9 }, /train\.beta2: the optimizer sgd/],
    [{ optimizer: 'sgd', momentum: 0, nesterov: true }, /train\.nesterov: needs a momentum/],
    [{ examples: 100, steps: 3 }, /train\.examples: only one of epochs, steps, examples/],
    [{ warmupExamples: 100, warmupEpochs: 1 }, /train\.warmupExamples: only one of warmup_epochs/],
    [{ schedule: 'constant', finalLrFraction: 0.1 }, /train\.finalLrFraction: the schedule constant/],
    [{ schedule: 'exponential' }, /train\.finalLrFraction: expected more than 0/],
    [{ schedule: 'plateau', useValidation: false }, /train\.schedule: plateau watches the validation part/],
    [{ schedule: 'step' }, /train\.schedule: step needs a map: .*every_epochs/],
    [{ schedule: { kind: 'step' } }, /step needs one of every_epochs, every_steps, every_examples/],
    [{ schedule: { kind: 'step', everyEpochs: 1, everySteps: 2 } }, /only one of every_epochs/],
    [{ schedule: { kind: 'cosine', factor: 0.5 } }, /schedule\.factor: cosine does not read it/],
    [{ schedule: { kind: 'multistep', milestonesEpochs: [3, 2] } }, /expected rising numbers/],
    [{ schedule: { kind: 'cosine', keepCycles: true } }, /schedule\.keepCycles: cosine does not read it/],
    [{ schedule: { ...cycles, cycleEpochs: 1.5 } }, /schedule\.keepCycles: needs cycles that end with an epoch/],
    [{ schedule: { ...cycles, cycleMultiplier: 1.5 } }, /schedule\.keepCycles: needs cycles that end with an epoch/],
    [{ schedule: cycles, warmupSteps: 3 }, /schedule\.keepCycles: .* warm-up as a whole number of warmup_epochs/],
    [{ schedule: cycles, warmupEpochs: 0.5 }, /schedule\.keepCycles: .* warm-up as a whole number of warmup_epochs/],
    [{ schedule: cycles, snapshotEvery: 2 }, /schedule\.keepCycles: needs a snapshot after every epoch/],
    [{ schedule: cycles, epochs: 2, warmupEpochs: 1 }, /schedule\.keepCycles: no cycle ends within 2 epochs/],
    [{ gradClipMode: 'value' }, /train\.gradClipMode: needs grad_clip/],
    [{ swa: true, emaDecay: 0.9 }, /train\.emaDecay: swa takes the place/],
    [{ sam: { eta: 1 } }, /train\.sam\.eta: only read with adaptive/],
    [{ nonFinite: 'ignore' }, /train\.nonFinite/],
    [{ nonFinite: { policy: 'skip', limit: 0 } }, /train\.nonFinite/],
    [{ nonFinite: { policy: 'abort', limit: 3 } }, /train\.nonFinite\.limit: policy abort does not read it/],
    [{ nonFinite: { policy: 'skip', lrFactor: 0.5 } }, /train\.nonFinite\.lrFactor: policy skip does not read it/],
    [{ microBatch: 0 }, /train\.microBatch/],
    [{ microBatch: 'all' }, /train\.microBatch/],
  ] as const)
    assert.match(problem({ train }), expected, JSON.stringify(train))
  const { supcon } = pipelineConfigSchema.parse({ supcon: { swa: true } })
  assert.equal(supcon.emaDecay, 0)
  assert.equal(pipelineConfigSchema.parse({}).supcon.emaDecay, 0.999)
})

test('options › keys of the evaluation that could not act are refused', () => {
  for (const [evaluate, expected] of [
    [{ mahalanobisNormalize: true }, /evaluate\.mahalanobisNormalize: needs compute_mahalanobis: true/],
    [{ mahalanobisRelative: true }, /evaluate\.mahalanobisRelative: needs compute_mahalanobis: true/],
    [{ vimDimension: 4 }, /evaluate\.vimDimension: needs compute_vim: true/],
    [{ computeVim: true, vimDimension: 0 }, /evaluate\.vimDimension/],
    [{ computeVim: true, ensemble: 'cycles' }, /evaluate\.computeVim: reads the features of one network/],
    [{ computeMahalanobis: true, ensemble: ['a'] }, /evaluate\.computeMahalanobis: reads the features of one network/],
    [{ ttaAugmentations: {} }, /evaluate\.ttaAugmentations: needs tta_runs of 2 or more/],
    [{ ttaRuns: 0 }, /evaluate\.ttaRuns/],
    [{ ttaRuns: 1.5 }, /evaluate\.ttaRuns/],
    [{ ttaRuns: 2, ttaAugmentations: { flip: true } }, /evaluate\.ttaAugmentations/],
  ] as const)
    assert.match(problem({ evaluate }), expected, JSON.stringify(evaluate))
  const all = { ttaRuns: 4, ttaAugmentations: { randomCrop: true }, computeMahalanobis: true, computeVim: true }
  assert.equal(
    problem({ evaluate: { ...all, mahalanobisNormalize: true, mahalanobisRelative: true, vimDimension: 4 } }),
    '',
  )
})
