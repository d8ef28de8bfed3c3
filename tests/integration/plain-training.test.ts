/** A flat file and the flags of a plain run, from the command line to the files they leave. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { parseTrainingState } from '../../src/train/index.ts'
import { runProgram, type Ended } from '../support/run-program.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-plain-run-'))
after(() => rmSync(root, { recursive: true, force: true }))

const run = (args: readonly string[]): Promise<Ended> => runProgram(root, args)

/** Rows of logs/<run>/train.csv as objects. */
function history(name: string): Record<string, number>[] {
  const [head = '', ...rows] = readFileSync(join(root, 'logs', name, 'train.csv'), 'utf8')
    .trim()
    .split('\n')
  return rows.map((row) =>
    Object.fromEntries(row.split(',').map((value, i) => [head.split(',')[i] ?? '', Number(value)])),
  )
}

const state = (name: string): { epoch: number; best: { epoch: number; loss: number } } =>
  JSON.parse(readFileSync(join(root, 'snapshots', name, 'train', 'last', 'state.json'), 'utf8')) as ReturnType<
    typeof state
  >

test('plain training › a flat file: validation loss, early stopping, the best model, CSV, evaluation; nobody is asked', async () => {
  writeFileSync(
    join(root, 'flat.yaml'),
    `batch_size: 64
device: "cpu"
num_epochs: 12
use_validation: True
data_augmentation: False
dataset: "digits"
num_workers: 2
shuffle_train: True
model_name: "small_cnn"
pretrained: false
learning_rate: 0.5
momentum: 0.9
optimizer: "sgd"
monitor: loss
early_stopping: true
early_stopping_patience: 1
ask_epoch: 1
loss_function: "cross_entropy"
`,
  )
  const shrink = ['data.image_size=8', 'data.subset_per_class=20', 'backbone.width=4'].flatMap((key) => ['--set', key])
  const { code, stdout, stderr } = await run(['--config', 'flat.yaml', ...shrink, '--json'])
  assert.equal(code, 0, stderr)
  const { phases } = JSON.parse(stdout) as { phases: { phase: string; snapshot: string }[] }
  assert.deepEqual(
    phases.map(({ phase }) => phase),
    ['train', 'evaluate'],
  )
  const rows = history('flat')
  const losses = rows.map(({ val_loss: loss = NaN }) => loss)
  const best = losses.indexOf(Math.min(...losses)) + 1
  // with patience 1 the first epoch that is no better is the last
  assert.ok(rows.length === Math.min(12, best + 1), losses.join())
  const written = state('flat')
  assert.equal(written.best.epoch, best)
  // What a resumed run reads and writes again has the same bytes.
  assert.equal(JSON.stringify(parseTrainingState(written, 'flat')), JSON.stringify(written))
  assert.match(phases[0]?.snapshot ?? '', new RegExp(`epoch-00${String(best).padStart(2, '0')}$`))
  assert.ok(existsSync(join(root, 'eval_results', 'flat', 'classification_report.csv')))
})

test('plain training › the rate is lowered by progress and the best weights come back', async () => {
  writeFileSync(
    join(root, 'lra.yaml'),
    `dataset: digits
model_name: small_cnn
batch_size: 64
epochs: 6
learning_rate: 0.5
optimizer: sgd
lra: { threshold: 0, patience: 1, factor: 0.5, dwell: true, stop_patience: 2 }
`,
  )
  const fixed = ['train.schedule=constant', 'data.image_size=8', 'data.subset_per_class=20', 'backbone.width=4']
  const { code, stderr } = await run(['--config', 'lra.yaml', ...fixed.flatMap((key) => ['--set', key]), '--json'])
  assert.equal(code, 0, stderr)
  const rows = history('lra')
  // replayed: the first epoch is the best so far; one that is no better halves the rate, two in a row end it
  let [rate, lowest, reductions] = [0.5, Infinity, 0]
  for (const [i, { lr = NaN, val_loss: loss = NaN }] of rows.entries()) {
    assert.ok(Math.abs(lr - rate) < 1e-12, `epoch ${i + 1}: ${lr}, expected ${rate}`)
    if (loss < lowest) [lowest, reductions] = [loss, 0]
    else [rate, reductions] = [rate / 2, reductions + 1]
  }
  assert.ok(rows.length === 6 || reductions >= 2, rows.map(({ val_loss: loss }) => loss).join())
})

test('plain training › flags alone', async () => {
  const flags = '--dataset digits --num_epochs 2 --batch_size 50 --lr 0.1 --weight_decay 5e-4 --name flags'.split(' ')
  const shrink = ['data.image_size=8', 'data.subset_per_class=20', 'backbone={name: small_cnn, width: 4}']
  const { code, stderr } = await run([...flags, ...shrink.flatMap((key) => ['--set', key]), '--json'])
  assert.equal(code, 0, stderr)
  assert.equal(history('flags').length, 2)
  const config = readFileSync(join(root, 'snapshots', 'flags', 'config.yaml'), 'utf8')
  for (const line of ['epochs: 2', 'batch_size: 50', 'lr: 0.1', 'weight_decay: 0.0005'])
    assert.ok(config.includes(line), line)
})
