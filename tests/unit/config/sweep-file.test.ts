import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { readSweepFile, type SweepFile } from '../../../src/config/index.ts'
import { root } from '../structure/sources.ts'

const folder = mkdtempSync(join(tmpdir(), 'trivium-sweep-file-'))
after(() => rmSync(folder, { recursive: true, force: true }))

function read(text: string): SweepFile {
  const path = join(folder, 'space.yaml')
  writeFileSync(path, text)
  return readSweepFile(path)
}

const lr = 'space:\n  arcface.lr: { low: 1e-4, high: 1e-2, log: true }\n'

describe('a sweep file', () => {
  it('takes whole sections as choices, spelled as they were written', () => {
    const file = read(
      'phases: [train]\nspace:\n  train.augmentations:\n    - { random_crop: false, random_resized_crop: { scale: [0.5, 1] } }\n' +
        '    - { random_crop: { padding: 2 }, random_resized_crop: false }\n' +
        'enqueue:\n  - { train.augmentations: { random_resized_crop: false, random_crop: { padding: 2 } } }\n',
    )
    assert.deepEqual(file.space.get('train.augmentations')!.distribution, {
      type: 'categorical',
      choices: [
        { random_crop: false, random_resized_crop: { scale: [0.5, 1] } },
        { random_crop: { padding: 2 }, random_resized_crop: false },
      ],
    })
    assert.equal(file.enqueue.length, 1)
    assert.throws(
      () => read('space:\n  train.backbone: { low: 0, high: 1 }\n'),
      /space\.yaml:2: "train.backbone" is a section/,
    )
    assert.throws(() => read('space:\n  train: [1, 2]\n'), /no configuration key "train"/)
  })

  it('gives phases, objective and space; keys keep their spelling', () => {
    const file = read(
      'phases: [evaluate, arcface]\nshared: [supcon]\nobjective: top1\nspace:\n' +
        '  arcface.lr: { low: 1e-4, high: 1e-2, log: true }\n  arcface.batch_size: [32, 64]\n' +
        '  arcface.epochs: { type: int, low: 2, high: 6, step: 2 }\n  arcface.optimizer: { choices: [sgd, adamw], weights: [1, 3] }\n' +
        '  arcface.momentum: { low: 0.8, high: 0.99, when: { arcface.optimizer: sgd } }\n' +
        'enqueue:\n  - { arcface.lr: 1e-3, arcface.batch_size: 64, arcface.epochs: 4, arcface.optimizer: adamw }\n',
    )
    assert.deepEqual(file.phases, ['arcface', 'evaluate'])
    assert.deepEqual(file.shared, ['supcon'])
    assert.deepEqual(file.objectives, [{ metric: 'top1', direction: 'maximize' }])
    assert.deepEqual(
      file.space.parameters.map(({ name }) => name),
      ['arcface.lr', 'arcface.batch_size', 'arcface.epochs', 'arcface.optimizer', 'arcface.momentum'],
    )
    assert.deepEqual(file.space.get('arcface.momentum')!.when, [[{ parameter: 'arcface.optimizer', values: ['sgd'] }]])
    assert.deepEqual(file.space.get('arcface.epochs')!.distribution, { type: 'int', low: 2, high: 6, step: 2 })
    assert.equal(file.enqueue[0]!['arcface.batch_size'], 64)
  })

  it('minimizes losses and maximizes the rest unless told otherwise, and takes several objectives', () => {
    const direction = (text: string): unknown => read(text + lr).objectives.map((objective) => objective.direction)
    assert.deepEqual(direction('objective: validation_loss\n'), ['minimize'])
    assert.deepEqual(direction(''), ['maximize'])
    assert.deepEqual(direction('objective: epochs\ndirection: minimize\n'), ['minimize'])
    const both = 'objective: [{ metric: top1, direction: maximize }, { metric: seconds, direction: minimize }]\n'
    assert.deepEqual(direction(both), ['maximize', 'minimize'])
  })

  const bad: readonly [name: string, text: string, message: RegExp][] = [
    [
      'a key that no configuration has',
      'space:\n  arcface.lrr: [1, 2]\n',
      /space\.yaml:2: no configuration key "arcface\.lrr"\. Did you mean "arcface\.lr"\?/,
    ],
    ['an empty space', 'space: {}\n', /at least one parameter/],
    ['no space', 'phases: [arcface]\n', /expected "space"/],
    ['bounds the wrong way round', 'space:\n  arcface.lr: { low: 1, high: 0.1 }\n', /arcface\.lr: expected low ≤ high/],
    [
      'a logarithm of zero',
      'space:\n  arcface.lr: { low: 0, high: 1, log: true }\n',
      /low > 0 for a logarithmic scale/,
    ],
    [
      'a misspelt bound',
      'space:\n  arcface.lr: { lo: 0, high: 1 }\n',
      /space\.yaml:2: arcface\.lr\.low: expected a number, got nothing\.\n.*unknown key "lo" in arcface\.lr\. Did you mean "low"\?/,
    ],
    [
      'a bound that is no number',
      'space:\n  arcface.lr: { low: a, high: 1 }\n',
      /space\.yaml:2: arcface\.lr\.low: expected a number, got "a"\. Expected is a list of choices, \{ choices, weights \}, or \{ low, high/,
    ],
    [
      'a number alone',
      'space:\n  arcface.lr: 0.1\n',
      /space\.yaml:2: arcface\.lr: expected a list of choices.*got 0\.1/,
    ],
    [
      'choices that are no list',
      'space:\n  arcface.lr: { choices: 3 }\n',
      /space\.yaml:2: arcface\.lr\.choices: expected a list, got 3/,
    ],
    [
      'a phase that there is not',
      `phases: [trian]\n${lr}`,
      /space\.yaml:1: phases\[0\]: expected one of train, .*got "trian"\. Did you mean "train"\?/,
    ],
    ['a direction that there is not', `direction: up\n${lr}`, /space\.yaml:1: direction: expected one of .*got "up"/],
    [
      'an objective without its direction',
      `objective: [{ metric: top1 }]\n${lr}`,
      /space\.yaml:1: objective\[0\]\.direction: expected one of minimize, maximize, got nothing/,
    ],
    [
      'an unknown key of its own',
      `objectiv: top1\n${lr}`,
      /space\.yaml:1: unknown key "objectiv"\. Did you mean "objective"\?/,
    ],
    ['a phase in both lists', `shared: [arcface]\n${lr}`, /"arcface" is in phases and in shared/],
    ['phases that train nothing', `phases: [evaluate]\n${lr}`, /at least one that trains/],
    [
      'an impossible condition',
      'space:\n  arcface.lr: { low: 1, high: 2, when: { arcface.scale: 3 } }\n',
      /no parameter "arcface\.scale"/,
    ],
    [
      'an enqueued point outside the space',
      `${lr}enqueue:\n  - { arcface.lr: 5 }\n`,
      /enqueue: arcface\.lr: expected a value of 0\.0001 … 0\.01 \(log\), got 5\./,
    ],
    ['a point that is in no list', `${lr}enqueue: { arcface.lr: 1e-3 }\n`, /space\.yaml:3: enqueue: expected a list/],
    [
      'a direction for each and for all',
      `objective: [{ metric: a, direction: minimize }]\ndirection: minimize\n${lr}`,
      /each objective of a list has its own/,
    ],
  ]
  for (const [name, text, message] of bad) it(`is refused for ${name}`, () => assert.throws(() => read(text), message))

  it('of the package can be read, each of them', () => {
    const folder = join(root, 'configs', 'sweeps')
    const files = readdirSync(folder)
    assert.ok(files.length > 0, 'configs/sweeps is empty')
    for (const file of files) readSweepFile(join(folder, file))
  })
})
