import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { checkObjectives } from '../../../src/cli/sweep/check-objectives.ts'
import { checkValues } from '../../../src/cli/sweep/check-values.ts'
import { setupOf } from '../../../src/cli/sweep/setup.ts'
import { readSweepFile, resolveConfig, type ConfigRequest, type SweepFile } from '../../../src/config/index.ts'
import type { PhaseName } from '../../../src/phases/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'trivium-sweep-checks-'))
after(() => rmSync(folder, { recursive: true, force: true }))

function fileOf(text: string): SweepFile {
  const path = join(folder, 'space.yaml')
  writeFileSync(path, text)
  return readSweepFile(path)
}

const request = (phases: readonly PhaseName[], set: readonly string[] = []): ConfigRequest => ({
  phases,
  set: [...set],
})

describe('values of a sweep', () => {
  const check = (space: string, head = ''): void => {
    const file = fileOf(`${head}space:\n${space}`)
    checkValues(file, request([...file.shared, ...file.phases]))
  }
  const bad: readonly [name: string, space: string, message: RegExp, head?: string][] = [
    [
      'keys of a phase that is not run',
      '  train.lr: [1e-3]\n',
      /space\.yaml:2: search space: train\.lr: expected a key of the phases that a trial runs, which are arcface/,
    ],
    [
      'keys of a shared phase',
      '  supcon.lr: [1e-3]\n',
      /space\.yaml:3: search space: supcon\.lr: the phase supcon is shared: it runs once.*Move it from shared to phases/,
      'shared: [supcon]\n',
    ],
    ['names of runs', '  run.name: [a, b]\n', /run\.name: .*the sweep names its runs itself/],
    [
      'fractions between whole bounds for a key of whole numbers',
      '  arcface.epochs: { low: 1, high: 3 }\n',
      /space\.yaml:2: search space: arcface\.epochs: expected a whole number, got 1\.7/,
    ],
    [
      'no epochs',
      '  arcface.epochs: { type: int, low: 0, high: 3 }\n',
      /arcface\.epochs: expected a number [≥>] \d, got 0/,
    ],
    [
      'a choice that there is not',
      '  arcface.optimizer: [sgd, sgdd]\n',
      /arcface\.optimizer: expected one of .*"sgdd"/,
    ],
  ]
  for (const [name, space, message, head] of bad)
    it(`are refused for ${name}`, () => assert.throws(() => check(space, head), message))

  it('may be of what all phases share, and of the phases of a trial', () => {
    check('  seed: [1, 2]\n  data.image_size: [8, 16]\n  arcface.epochs: { type: int, low: 1, high: 3 }\n')
    check('  supcon.lr: [1e-3]\n  arcface.lr: [1e-3]\n', 'phases: [supcon, arcface]\n')
  })
})

describe('objectives of a sweep', () => {
  const check = (head: string, set: readonly string[] = []): void => {
    const file = fileOf(`${head}space:\n  seed: [1, 2]\n`)
    checkObjectives(file, resolveConfig(request([...file.shared, ...file.phases], set)))
  }
  it('are refused where no phase of a trial reports them, with what is reported as one writes it', () => {
    assert.throws(
      () => check('phases: [train]\nobjective: validation_acuracy\n'),
      /space\.yaml:2: objective: no phase of a trial \(train\) reports "validation_acuracy"\. Did you mean "validation_accuracy"\? Reported: epochs, steps, best_epoch, validation_accuracy, validation_loss, seconds\./,
    )
    assert.throws(() => check('phases: [supcon]\nobjective: nll\n'), /\(supcon\) reports "nll"/)
    assert.throws(() => check('phases: [arcface]\nobjective: top1\n'), /\(arcface\) reports "top1"/)
    assert.throws(() => check('phases: [arcface]\nshared: [supcon]\nobjective: onnx_bytes\n'), /reports "onnx_bytes"/)
    const both = 'phases: [train, export]\nobjective: [{ metric: latency_ms, direction: minimize }]\n'
    assert.throws(() => check(both, ['export.formats=[torchscript]']), /reports "latency_ms"/)
    check(both, ['export.formats=[onnx]'])
  })

  it('are taken from every phase of a trial', () => {
    check('phases: [supcon]\nobjective: validation_loss\n')
    check('phases: [train]\nobjective: seconds\n')
    check(
      'phases: [train, evaluate, export]\nobjective:\n  - { metric: ece, direction: minimize }\n  - { metric: torchscript_bytes, direction: minimize }\n',
    )
  })
})

describe('the setup of a study', () => {
  it('leaves out how a machine reads its data, and what other phases would do', () => {
    const file = fileOf('phases: [train]\nspace:\n  seed: [1, 2]\n')
    const of = (...set: string[]): unknown => setupOf(resolveConfig(request(['train'], set)), file)
    const plain = of()
    for (const free of ['data.cache=off', 'data.cache_gigabytes=3', 'data.workers=1', 'threads=1', 'arcface.lr=1e-9'])
      assert.deepEqual(of(free), plain, free)
    assert.notDeepEqual(of('train.epochs=3'), plain)
  })
})
