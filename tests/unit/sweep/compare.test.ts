import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  comparisonTable,
  keyTitles,
  markdownTable,
  measureFor,
  spearman,
  writtenAnalysis,
  type Experiment,
  type Json,
} from '../../../src/sweep/index.ts'

const run = (
  name: string,
  settings: Record<string, Json>,
  valLoss: readonly number[],
  more: Partial<Experiment> = {},
): Experiment => ({
  name,
  settings: { 'train.epochs': 5, ...settings },
  state: 'complete',
  epochs: valLoss.map((value, i) => ({
    epoch: i + 1,
    trainLoss: 1.2 - 0.15 * i,
    valLoss: value,
    valAccuracy: 1 - value / 2,
  })),
  seconds: null,
  ...more,
})

/** The three experiments of a course report: learning rate and batch size, five epochs. */
const three = [
  run('Exp 1', { 'train.lr': 0.001, 'train.batch_size': 32 }, [1.0176, 0.8973, 0.889, 0.8966, 0.8277]),
  run('Exp 2', { 'train.lr': 0.0005, 'train.batch_size': 32 }, [1.1, 1.02, 0.95, 0.89, 0.8445]),
  run('Exp 3', { 'train.lr': 0.001, 'train.batch_size': 64 }, [1.05, 0.93, 0.88, 0.8361, 0.92]),
]
const loss = measureFor(three)
const text = (experiments: readonly Experiment[], measure = loss): string =>
  writtenAnalysis(experiments, measure)
    .map(({ title, sentences }) => `${title}\n${sentences.join('\n')}`)
    .join('\n\n')

describe('the table of experiments', () => {
  it('shows what differs, the best epoch and its value', () => {
    const { heads, keys, rows } = comparisonTable(three, loss)
    assert.deepEqual(heads, ['Experiment', 'Learning rate', 'Batch size', 'Best epoch', 'Best validation loss'])
    assert.deepEqual(keys, ['experiment', 'train.lr', 'train.batch_size', 'best_epoch', 'best_validation_loss'])
    assert.deepEqual(rows, [
      ['Exp 1', '0.001', '32', '5', '0.8277'],
      ['Exp 2', '5e-4', '32', '5', '0.8445'].map((cell) => (cell === '5e-4' ? '0.0005' : cell)),
      ['Exp 3', '0.001', '64', '4', '0.8361'],
    ])
  })

  it('has states and times where they say something, and a dash for what is missing', () => {
    const { heads, rows } = comparisonTable(
      [
        run('a', { 'train.lr': 1, 'train.momentum': 0.9 }, [0.5], { seconds: 3 }),
        run('b', { 'train.lr': 2 }, [], { state: 'failed', seconds: 1 }),
      ],
      loss,
    )
    assert.deepEqual(heads.slice(-2), ['Seconds', 'State'])
    assert.deepEqual(rows[1], ['b', '2', '–', '–', '–', '1', 'failed'])
  })

  it('keeps the section where two keys would read the same', () => {
    assert.deepEqual(keyTitles(['arcface.lr', 'supcon.lr', 'arcface.batch_size']), [
      'Arcface learning rate',
      'Supcon learning rate',
      'Batch size',
    ])
  })

  it('is Markdown with bars and line ends escaped', () => {
    assert.equal(markdownTable(['a', 'b'], [['x|y', '1\n2']]), '| a    | b   |\n|------|-----|\n| x\\|y | 1 2 |')
  })

  it('ranks by accuracy where that is asked for, or where there is no loss', () => {
    assert.equal(measureFor(three, 'accuracy').name, 'validation accuracy')
    const noLoss = three.map((one) => ({ ...one, epochs: one.epochs.map((epoch) => ({ ...epoch, valLoss: null })) }))
    assert.equal(measureFor(noLoss).name, 'validation accuracy')
    const neither = noLoss.map((one) => ({
      ...one,
      epochs: one.epochs.map((epoch) => ({ ...epoch, valAccuracy: null })),
    }))
    assert.equal(measureFor(neither).name, 'training loss')
  })
})

describe('the written analysis', () => {
  it('names the winner, the margin, and whether it had stopped getting better', () => {
    const told = text(three)
    assert.match(
      told,
      /Exp 1 has the lowest validation loss: 0\.8277, in epoch 5 of 5, with learning rate 0\.001, batch size 32\./,
    )
    assert.match(told, /Next comes Exp 3, 0\.0084 \(1\.0 %\) behind\./)
    assert.match(told, /more epochs may help/)
  })

  it('compares settings where all else is equal', () => {
    const told = text(three)
    assert.match(
      told,
      /Learning rate comparison \(0\.001 vs 0\.0005\)\nWith all else equal, learning rate 0\.001 \(Exp 1\) reached 0\.8277/,
    )
    assert.match(told, /0\.0005 is 0\.0168 \(2\.0 %\) behind\./)
    assert.match(
      told,
      /0\.0005 is the smoother: its validation loss got worse from one epoch to the next never, that of the other once\./,
    )
    assert.match(told, /Batch size comparison \(32 vs 64\)\nWith all else equal, batch size 32 \(Exp 1\)/)
  })

  it('sees slower convergence and overfitting', () => {
    const told = text([
      run('fast', { 'train.lr': 1 }, [0.5, 0.4, 0.3, 0.35, 0.4]),
      run('slow', { 'train.lr': 0.1 }, [0.9, 0.8, 0.7, 0.6, 0.45]),
    ])
    assert.match(told, /1 was as good as that in epoch 2 already: 0\.1 converges more slowly\./)
    assert.match(
      told,
      /Overfitting\nfast: after epoch 3 the validation loss rose from 0\.3000 to 0\.4000 while the training loss fell from 0\.9000 to 0\.6000\./,
    )
    assert.doesNotMatch(told, /slow: after/)
  })

  it('says where a comparison is not controlled', () => {
    const many = Array.from({ length: 8 }, (_, i) =>
      run(`t${i}`, { 'train.lr': 0.001 * (i + 1), 'train.wd': [3, 1, 4, 1.5, 9, 2, 6, 5][i]! }, [0.1 * (i + 1)]),
    )
    assert.match(text(many), /No two experiments differ in the learning rate alone/)
    assert.match(
      text(many),
      /rank correlation of learning rate and validation loss is 1\.00: they go together closely, greater values being worse/,
    )
    const groups = [
      run('a', { 'train.lr': 1, 'train.optimizer': 'sgd' }, [0.4]),
      run('b', { 'train.lr': 2, 'train.optimizer': 'adamw' }, [0.2]),
      run('c', { 'train.lr': 3, 'train.optimizer': 'sgd' }, [0.6]),
    ]
    assert.match(
      text(groups),
      /by optimizer, with the number of experiments: adamw: 0\.2000 \(1\), sgd: 0\.5000 \(2\)\./,
    )
  })

  it('holds margins against repeats with other seeds', () => {
    const told = text([
      run('a0', { 'train.lr': 1, 'train.seed': 0 }, [0.4]),
      run('a1', { 'train.lr': 1, 'train.seed': 1 }, [0.5]),
      run('b0', { 'train.lr': 2, 'train.seed': 0 }, [0.41]),
    ])
    assert.match(
      told,
      /Repeats with other seeds differ by 0\.0707 \(standard deviation\): the first two are not told apart/,
    )
    assert.doesNotMatch(told, /Seed comparison/)
    assert.match(text(three), /No setting was repeated with another seed/)
  })

  it('leaves pruned and failed ones out, and has a word for nothing at all', () => {
    const told = text([...three, run('Exp 4', { 'train.lr': 9, 'train.batch_size': 32 }, [0.1], { state: 'pruned' })])
    assert.match(told, /Exp 1 has the lowest/)
    assert.match(told, /1 that were pruned or failed are in the table and not in the comparison/)
    assert.match(text([run('x', {}, [], { state: 'failed' })]), /No experiment is complete/)
    assert.match(text([run('x', {}, [0.5])]), /x is the best of 1\./)
  })

  it('correlates ranks as scipy does', () => {
    assert.ok(Math.abs(spearman([1, 2, 3, 4, 5], [5, 6, 7, 8, 7]) - 0.8207826816681233) < 1e-12)
    assert.equal(spearman([1, 1, 1], [1, 2, 3]), 0)
  })
})
