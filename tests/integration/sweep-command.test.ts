import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import sharp from 'sharp'
import { pipelineConfigSchema, reportedMetrics } from '../../src/phases/index.ts'
import { noPostgres, postgresPrograms, startPostgres } from '../support/postgres.ts'
import { SweepFolder } from '../support/sweep-command.ts'

const folder = new SweepFolder()
after(() => folder.remove())
const inside = (...parts: string[]): string => join(folder.path, ...parts)
const statesOf = (name: string): string[] => folder.trials(name).map((trial) => trial['state']!)

folder.space('lr', 'phases: [train]\nspace:\n  train.lr: { low: 1e-4, high: 1e-2, log: true }\n')
folder.space('two', 'phases: [train]\nspace:\n  train.optimizer: [sgd, adamw]\n')
folder.space('wild', 'phases: [train]\nspace:\n  train.lr: [1.0e+30, 1.0e+31]\n')

describe('run-pipeline sweep', () => {
  it('makes nothing of what it refuses', () => {
    const database = ['--storage', 'mysql://me:secret@host/db']
    const cases: [string[], RegExp][] = [
      [['--sampler', 'cma-es'], /cma-es sampler: expected numbers that always exist, got "train\.optimizer"/],
      [['--name', '.'], /a name without slashes/],
      [['--name', '..'], /a name without slashes/],
      [['--name', 'a/b'], /a name without slashes/],
      [database, /journal file or a postgresql:\/\/ URL, got mysql:\/\/me:…@host\/db, a URL of mysql/],
      [['--storage', '.'], /cannot write \.: it is a folder\. Name a file in it/],
      [['--resume'], /--resume: expected a study "two" in .*journal\.jsonl, found none/],
      [['--set', 'data.image_size=8', '--resume', '--storage', 'nowhere/j.jsonl'], /expected a study "two" in nowhere/],
    ]
    const before = readdirSync(folder.path)
    for (const [more, message] of cases) {
      const { status, stderr } = folder.run('two', ...more)
      assert.notEqual(status, 0, more.join(' '))
      assert.match(stderr, message)
      assert.doesNotMatch(stderr, /secret|defect of the program/)
    }
    assert.deepEqual(readdirSync(folder.path), before)
  })

  it('says when its folder cannot be made', { skip: existsSync('/proc') ? false : 'there is no /proc' }, () => {
    const { status, stderr } = folder.run('two', '--directory', '/proc/trivium')
    assert.equal(status, 1)
    assert.match(stderr, /cannot write \/proc\/trivium\/sweep_logs\/two: it, or a folder on the way/)
  })

  it('begins where a journal without a study lies, goes on with the seed that is stored, and tells of a torn line', () => {
    mkdirSync(inside('sweep_logs', 'seeded'), { recursive: true })
    writeFileSync(inside('sweep_logs/seeded/journal.jsonl'), '')
    assert.equal(folder.run('lr', '--name', 'seeded', '--trials', '2', '--resume').status, 2)
    // 1000 h are more than a timer holds.
    const first = folder.run('lr', '--name', 'seeded', '--trials', '1', '--seed', '5', '--timeout', '1000h')
    assert.equal(first.status, 0, first.stderr)
    assert.match(first.stdout, /1\/1 trials, 1 complete/)
    assert.doesNotMatch(first.stdout, /go on:/)
    appendFileSync(inside('sweep_logs/seeded/journal.jsonl'), '{"crc":"0000')
    const second = folder.run('lr', '--name', 'seeded', '--trials', '2', '--resume')
    assert.equal(second.status, 0, second.stderr)
    assert.match(second.stderr, /journal\.jsonl: its last line \(12 bytes\) was not finished .* cut off/)
    const other = folder.run('lr', '--name', 'seeded', '--trials', '2', '--resume', '--seed', '6')
    assert.match(other.stderr, /seed 5, and now 6 is asked for/)
    folder.space('wide', 'phases: [train]\nspace:\n  train.lr: { low: 1e-4, high: 1e-1, log: true }\n')
    const wider = folder.run('wide', '--name', 'seeded', '--trials', '2', '--resume')
    assert.equal(wider.status, 2)
    assert.match(wider.stderr, /another space:\n.* {2}train\.lr: 0\.0001 … 0\.01 \(log\) → 0\.0001 … 0\.1 \(log\)\n/)
  })

  it('ends with 1 when every trial failed', () => {
    const { status, stdout, stderr } = folder.run('wild', '--sampler', 'grid', '--trials', '2')
    assert.equal(status, 1, stderr)
    assert.match(stdout, /0 complete, 0 pruned, 0 failed, 2 NaN/)
  })

  it('says that a grid has come to its end, in words that a shell takes', () => {
    const { status, stdout, stderr } = folder.run('two', '--sampler', 'grid', '--trials', '9', '--name', 'a b;$X')
    assert.equal(status, 0, stderr)
    assert.match(stdout, /the grid sampler has no more points than these 2/)
    assert.doesNotMatch(stdout, /go on:/)
    assert.match(stdout, /next: npx run-pipeline --config 'sweep_logs\/a b;\$X\/best\.yaml'/)
  })

  it('counts enqueued points among --trials, and runs the rest with more of them', () => {
    const points = [1, 2, 3].map((i) => `  - { train.lr: ${i}e-3 }\n`).join('')
    folder.space('enqueued', `phases: [train]\nspace:\n  train.lr: { low: 1e-4, high: 1e-2 }\nenqueue:\n${points}`)
    const first = folder.run('enqueued', '--trials', '1')
    assert.equal(first.status, 0, first.stderr)
    assert.match(first.stdout, /1\/1 trials, 1 complete/)
    assert.match(first.stdout, /waiting: 2 enqueued points, for --resume with --trials 3/)
    assert.equal(folder.run('enqueued', '--trials', '3', '--resume').status, 0)
    assert.deepEqual(
      folder.trials('enqueued').map((trial) => [trial['train.lr'], trial['state']]),
      ['0.001', '0.002', '0.003'].map((lr) => [lr, 'complete']),
    )
  })

  it('does not prune at the last epoch, where only what comes after the training would be lost', () => {
    folder.space('last', 'phases: [train, evaluate]\nspace:\n  train.lr: [3e-3, 1e-6, 1e-7]\n')
    const { status, stderr } = folder.run('last', '--sampler', 'grid', '--pruner', 'asha', '--trials', '3')
    assert.equal(status, 0, stderr)
    assert.deepEqual(statesOf('last'), ['complete', 'complete', 'complete'])
    folder.space('longer', 'phases: [train, evaluate]\nspace:\n  train.lr: [3e-3, 1e-6, 1e-7]\n')
    const longer = ['--sampler', 'grid', '--pruner', 'asha', '--trials', '3', '--set', 'train.epochs=2']
    assert.equal(folder.run('longer', ...longer).status, 0)
    assert.deepEqual(statesOf('longer'), ['complete', 'pruned', 'pruned'])
    assert.deepEqual(
      folder.trials('longer').map((trial) => trial['steps']),
      ['2', '1', '1'],
    )
  })

  it('can be judged by exactly what is said to be reported', () => {
    for (const phases of [['supcon'], ['train', 'evaluate', 'export']] as const) {
      const name = phases.join('-')
      folder.space(name, `phases: [${phases.join(', ')}]\nobjective: validation_loss\nspace:\n  seed: [1]\n`)
      const { status, stderr } = folder.run(name, '--trials', '1')
      assert.equal(status, 0, stderr)
      const last = readFileSync(inside('sweep_logs', name, 'journal.jsonl'), 'utf8')
        .trimEnd()
        .split('\n')
        .at(-1)!
      const { entry } = JSON.parse(last) as { entry: { outcome: { attributes: object } } }
      const { evaluate, export: exported } = pipelineConfigSchema.parse({
        export: { formats: ['onnx', 'torchscript'] },
      })
      const known = phases.flatMap((phase) => reportedMetrics(phase, { evaluate, export: exported }))
      assert.deepEqual(Object.keys(entry.outcome.attributes).sort(), [...known, 'seconds'].sort())
    }
  })

  it('lists what was reported as one writes it', () => {
    const { status } = folder.run('two', '--name', 'blind', '--trials', '1', '--set', 'data.validation_fraction=0')
    assert.equal(status, 1)
    const [trial] = folder.trials('blind')
    assert.equal(trial!['state'], 'failed: unreported')
    assert.match(trial!['failure']!, /no phase reported validation_accuracy; reported: .*seconds/)
    assert.doesNotMatch(trial!['failure']!, /[a-z][A-Z]/)
  })

  const canMount =
    spawnSync('sh', ['-c', 'd=$(mktemp -d) && mount -t tmpfs none $d && umount $d && rmdir $d']).status === 0
  it(
    'stops at a full disk, counts no trial as failed, and goes on',
    { skip: canMount ? false : 'needs the right to mount' },
    () => {
      mkdirSync(inside('small/sweep_snapshots'), { recursive: true })
      const run = (...more: string[]): ReturnType<SweepFolder['run']> =>
        folder.run('two', '--directory', 'small', '--sampler', 'grid', '--trials', '2', ...more)
      assert.equal(
        spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', inside('small/sweep_snapshots')]).status,
        0,
      )
      try {
        const { status, stderr } = run('--workers', '2')
        assert.equal(status, 74, stderr)
        assert.match(stderr, /trial \d: .*No space left on device.* No trial was counted as failed/)
        assert.match(stderr, /go on: npx run-pipeline sweep .* --resume/)
      } finally {
        spawnSync('umount', [inside('small/sweep_snapshots')])
      }
      assert.doesNotMatch(readFileSync(inside('small/sweep_logs/two/journal.jsonl'), 'utf8'), /"state":"failed"/)
      const { status, stdout, stderr } = run('--resume')
      assert.equal(status, 0, stderr)
      assert.match(stdout, /2\/2 trials, 2 complete, 0 pruned, 0 failed/)
    },
  )

  it('decodes pictures once for all trials, and takes the shared phase as it is', async () => {
    for (const [c, name] of ['red', 'blue'].entries()) {
      mkdirSync(inside('photos', name), { recursive: true })
      for (let i = 0; i < 16; i++) {
        const background = { r: c === 0 ? 200 + i : 10, g: 8 * i, b: c === 0 ? 10 : 200 + i }
        await sharp({ create: { width: 12, height: 12, channels: 3, background } })
          .png()
          .toFile(inside('photos', name, `${i}.png`))
      }
    }
    folder.space('photos', 'phases: [arcface]\nshared: [supcon]\nspace:\n  arcface.lr: [1e-3, 2e-3]\n')
    const run = (...more: string[]): ReturnType<SweepFolder['run']> => {
      const small = ['data.cache=packs', 'supcon.batch_size=8', 'arcface.batch_size=8', 'arcface.epochs=2']
      const set = small.flatMap((one) => ['--set', one])
      return folder.run('photos', '--data', 'photos', ...set, '--sampler', 'grid', '--pruner', 'none', ...more)
    }
    const stateOf = (path: string): [number, number] => [statSync(inside(path)).ino, statSync(inside(path)).ctimeMs]
    const first = run('--trials', '1')
    assert.equal(first.status, 0, first.stderr)
    const packs = readdirSync(inside('packs')).filter((name) => name.endsWith('.pack'))
    assert.ok(packs.length > 0, 'nothing was packed')
    const shared = 'sweep_snapshots/photos/shared/supcon'
    const snapshot = readdirSync(inside(shared)).find((name) => name.startsWith('epoch-'))!
    const before = stateOf(`${shared}/${snapshot}`)
    const inodes = packs.map((name) => stateOf(`packs/${name}`)[0])
    const second = run('--trials', '2', '--resume')
    assert.equal(second.status, 0, second.stderr)
    assert.match(second.stdout, /2\/2 trials, 2 complete/)
    assert.doesNotMatch(second.stderr, /shared phases/)
    assert.deepEqual(
      readdirSync(inside('packs')).filter((name) => name.endsWith('.pack')),
      packs,
    )
    assert.deepEqual(
      packs.map((name) => stateOf(`packs/${name}`)[0]),
      inodes,
    )
    assert.deepEqual(stateOf(`${shared}/${snapshot}`), before)
    const logs = ['shared', 'trial-0000', 'trial-0001'].map((name) =>
      readFileSync(inside('sweep_logs/photos', name, 'full_pipeline.log'), 'utf8'),
    )
    const [ofShared, ...ofTrials] = logs
    assert.equal(logs.join('').match(/decoded pictures are kept/g)?.length, 1)
    assert.match(ofShared!, /supcon epoch 1/)
    for (const log of ofTrials) {
      assert.match(log, /arcface epoch 2/)
      assert.match(log, /arcface: starts from the backbone of .*sweep_snapshots\/photos\/shared\/supcon\//)
      assert.doesNotMatch(log, /supcon epoch/)
    }
  })

  const programs = postgresPrograms()
  it('keeps a study in PostgreSQL, stops and goes on with it', { skip: programs === null ? noPostgres : false }, () => {
    const server = startPostgres(programs!)
    try {
      const run = (space: string, ...more: string[]): ReturnType<SweepFolder['run']> =>
        folder.run(space, '--storage', server.url, '--name', 'kept', ...more)
      assert.equal(run('lr', '--trials', '2', '--resume').status, 2)
      const first = run('lr', '--trials', '2', '--seed', '7')
      assert.equal(first.status, 0, first.stderr)
      assert.equal(existsSync(inside('sweep_logs/kept/journal.jsonl')), false)
      const second = run('lr', '--trials', '4', '--workers', '2', '--resume')
      assert.equal(second.status, 0, second.stderr)
      assert.match(second.stdout, /4\/4 trials/)
      const whole = folder.run('lr', '--name', 'in-a-file', '--trials', '4', '--seed', '7')
      assert.equal(whole.status, 0, whole.stderr)
      const lrs = (name: string): unknown[] => folder.trials(name).map((trial) => trial['train.lr'])
      assert.deepEqual(lrs('kept'), lrs('in-a-file'))
      const other = run('two', '--trials', '4', '--resume')
      assert.equal(other.status, 2)
      assert.match(
        other.stderr,
        /another space:\n.* {2}train\.lr: .* → not searched\n.* {2}train\.optimizer: not searched → "sgd" \| "adamw"/,
      )
    } finally {
      server.stop()
    }
  })
})
