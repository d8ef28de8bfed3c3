import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { parseCsv } from '../../src/util/csv.ts'
import { program } from '../support/run-program.ts'

const folder = mkdtempSync(join(tmpdir(), 'trivium-sweep-'))
/** A sweep that runs although it should be refused fails its test, and does not hold up the others. */
const timeout = 300_000
after(() => rmSync(folder, { recursive: true, force: true }))
writeFileSync(
  join(folder, 'tiny.yaml'),
  'phases: [arcface]\nshared: [supcon]\nspace:\n  arcface.lr: { low: 1e-4, high: 1e-2, log: true }\n  arcface.scale: [8, 16]\n',
)
const tiny = ['--set', 'data.image_size=8', '--set', 'supcon.epochs=1', '--set', 'arcface.epochs=2']
const args = (...more: string[]): string[] => [
  ...program,
  'sweep',
  '--space',
  'tiny.yaml',
  '--seed',
  '3',
  ...tiny,
  ...more,
]
const sweep = (...more: string[]): { status: number | null; stdout: string; stderr: string } =>
  spawnSync(process.execPath, args(...more), { cwd: folder, encoding: 'utf8', timeout })
const trialsOf = (name: string): Record<string, string>[] => {
  const [head, ...rows] = parseCsv(readFileSync(join(folder, 'sweep_logs', name, 'trials.csv'), 'utf8'))
  return rows.map((row) => Object.fromEntries(row.map((value, i) => [head![i]!, value])))
}
const parametersOf = (name: string): unknown[] =>
  trialsOf(name).map((trial) => [trial['arcface.lr'], trial['arcface.scale']])

describe('run-pipeline sweep', () => {
  it('runs trials over one shared phase, keeps the best, and writes a configuration that runs', () => {
    const { status, stdout, stderr } = sweep('--name', 'whole', '--trials', '3')
    assert.equal(status, 0, stderr)
    assert.match(stdout, /3\/3 trials, 3 complete, 0 pruned, 0 failed, 0 NaN/)
    assert.equal(stderr.match(/shared phases/g)?.length, 1)
    const trials = trialsOf('whole')
    assert.deepEqual(
      trials.map((trial) => trial['state']),
      ['complete', 'complete', 'complete'],
    )
    const best = trials.reduce((a, b) => (Number(b['validation_accuracy']) > Number(a['validation_accuracy']) ? b : a))
    const kept = readdirSync(join(folder, 'sweep_snapshots', 'whole')).sort()
    assert.deepEqual(kept, ['shared', `trial-${best['number']!.padStart(4, '0')}`])
    const plan = spawnSync(
      process.execPath,
      [...program, '--config', 'sweep_logs/whole/best.yaml', '--plan', '--json'],
      {
        cwd: folder,
        encoding: 'utf8',
        timeout,
      },
    )
    assert.equal(plan.status, 0, plan.stderr)
    const report = join(folder, 'sweep_logs/whole/report.html')
    assert.match(stdout, /report: sweep_logs\/whole\/report\.html/)
    assert.match(
      readFileSync(report, 'utf8'),
      /3 finished trials \(3 complete\).* sampler tpe · pruner median · seed 3/,
    )
    rmSync(report)
    const again = spawnSync(process.execPath, [...program, 'sweep', 'report', 'whole', '--json'], {
      cwd: folder,
      encoding: 'utf8',
      timeout,
    })
    assert.deepEqual(JSON.parse(again.stdout), { study: 'whole', report: 'sweep_logs/whole/report.html' })
    assert.ok(existsSync(report))
    const unknown = spawnSync(process.execPath, [...program, 'sweep', 'report', 'whle'], {
      cwd: folder,
      encoding: 'utf8',
      timeout,
    })
    assert.equal(unknown.status, 2)
    assert.match(unknown.stderr, /Did you mean "whole"\?/)
    const text = readFileSync(join(folder, 'sweep_logs/whole/best.yaml'), 'utf8')
    assert.match(text, new RegExp(`lr: ${best['arcface.lr']}`))
  })

  it('goes on after its process was killed, with the trials of a sweep that was not', async () => {
    const child = spawn(process.execPath, args('--name', 'killed', '--trials', '3'), { cwd: folder, stdio: 'ignore' })
    const journal = join(folder, 'sweep_logs/killed/journal.jsonl')
    const started = (): number =>
      existsSync(journal) ? (readFileSync(journal, 'utf8').match(/"op":"start"/g)?.length ?? 0) : 0
    while (started() < 2 && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 50))
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await ended
    assert.equal(sweep('--name', 'killed', '--trials', '3').status, 2, 'without --resume')
    const other = sweep('--name', 'killed', '--trials', '3', '--resume', '--set', 'arcface.epochs=1')
    assert.equal(other.status, 2, 'with another configuration')
    assert.match(other.stderr, /another configuration:\n.* {2}arcface\.epochs: 2 → 1\n/)
    const { status, stderr } = sweep('--name', 'killed', '--trials', '3', '--resume')
    assert.equal(status, 0, stderr)
    assert.doesNotMatch(stderr, /shared phases/)
    assert.deepEqual(parametersOf('killed'), parametersOf('whole'))
    assert.deepEqual(
      trialsOf('killed').map((trial) => trial['starts']),
      ['1', '2', '1'],
    )
  })

  it('stops its workers at Ctrl-C, and --resume draws what a sweep without the stop draws', async () => {
    const more = ['--name', 'stopped', '--trials', '3', '--workers', '2']
    const child = spawn(process.execPath, args(...more), { cwd: folder, stdio: 'ignore' })
    const journal = join(folder, 'sweep_logs/stopped/journal.jsonl')
    while (!(existsSync(journal) && readFileSync(journal, 'utf8').includes('"op":"start"')) && child.exitCode === null)
      await new Promise((resolve) => setTimeout(resolve, 50))
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGINT')
    assert.equal(await ended, 75)
    assert.ok(trialsOf('stopped').every(({ state }) => state !== 'running'))
    const { status, stdout, stderr } = sweep(...more, '--resume')
    assert.equal(status, 0, stderr)
    assert.match(stdout, /3\/3 trials, 3 complete/)
    assert.deepEqual(parametersOf('stopped'), parametersOf('whole'))
  })

  it('weighs accuracy against size and time, and keeps the front', () => {
    writeFileSync(
      join(folder, 'front.yaml'),
      'phases: [train, evaluate, export]\nobjective:\n  - { metric: top1, direction: maximize }\n  - { metric: latency_ms, direction: minimize }\n' +
        '  - { metric: onnx_bytes, direction: minimize }\nspace:\n  backbone.width: [4, 16]\n',
    )
    const small = ['--set', 'data.image_size=8', '--set', 'train.epochs=1', '--set', 'export.formats=[onnx]']
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [...program, 'sweep', '--space', 'front.yaml', ...small, '--trials', '2', '--sampler', 'grid'],
      { cwd: folder, encoding: 'utf8', timeout },
    )
    assert.equal(status, 0, stderr)
    assert.match(stdout, /2\/2 trials, 2 complete/)
    const [narrow, wide] = trialsOf('front')
    assert.ok(Number(narrow!['onnx_bytes']) < Number(wide!['onnx_bytes']))
    assert.ok(Number(narrow!['latency_ms']) > 0)
    assert.ok(readdirSync(join(folder, 'sweep_snapshots/front')).includes('trial-0000'))
    assert.match(readFileSync(join(folder, 'sweep_logs/front/report.html'), 'utf8'), /id="pareto"/)
  })

  it('compares trials in a table, with an analysis', () => {
    const compare = (...more: string[]): ReturnType<typeof sweep> =>
      spawnSync(process.execPath, [...program, 'sweep', 'compare', ...more], { cwd: folder, encoding: 'utf8', timeout })
    const { status, stdout, stderr } = compare('whole', 'killed/best', '--format', 'markdown')
    assert.equal(status, 0, stderr)
    assert.match(stdout, /\| Experiment +\| Learning rate \| (?:Scale \| )?Best epoch \| Best validation loss \|/)
    assert.equal(stdout.match(/^\| whole\/\d/gm)?.length, 3)
    assert.equal(stdout.match(/^\| killed\/\d/gm)?.length, 1)
    assert.match(stdout, /## Best performing configuration\n\n(whole|killed)\/\d has the lowest validation loss/)
    const two = JSON.parse(compare('whole', '--top', '2', '--json').stdout) as { experiments: { name: string }[] }
    assert.equal(two.experiments.length, 2)
    const unknown = compare('whoole')
    assert.equal(unknown.status, 2)
    assert.match(unknown.stderr, /Did you mean "whole"\?/)
  })

  it('counts a diverged trial as failed, and goes on', () => {
    writeFileSync(join(folder, 'bad.yaml'), 'space:\n  arcface.lr: [1e30, 1e-3]\n')
    const result = spawnSync(
      process.execPath,
      [...program, 'sweep', '--space', 'bad.yaml', ...tiny, '--trials', '2', '--sampler', 'grid'],
      { cwd: folder, encoding: 'utf8', timeout },
    )
    assert.equal(result.status, 0, result.stderr)
    assert.deepEqual(
      trialsOf('bad').map((trial) => trial['state']),
      ['failed: nan', 'complete'],
    )
  })

  it('refuses values that a key can never have, with their line, before anything is made', () => {
    const cases: [string, RegExp][] = [
      [
        '  arcface.scale: [8]\n  arcface.optimizer: [sgd, lyon]\n',
        /bad-value\.yaml:3: .*arcface\.optimizer: expected one of .*got "lyon"/,
      ],
      [
        '  arcface.margin: { low: 0, high: 9 }\n',
        /bad-value\.yaml:2: .*arcface\.margin: expected a number ≤ 1\.5, got 9/,
      ],
      [
        '  arcface.lr: { low: 0, high: 1, log: true }\n',
        /bad-value\.yaml:2: .*expected low > 0 for a logarithmic scale/,
      ],
    ]
    for (const [space, message] of cases) {
      writeFileSync(join(folder, 'bad-value.yaml'), `space:\n${space}`)
      const { status, stderr } = spawnSync(process.execPath, [...program, 'sweep', '--space', 'bad-value.yaml'], {
        cwd: folder,
        encoding: 'utf8',
        timeout,
      })
      assert.equal(status, 2, stderr)
      assert.match(stderr, message)
    }
    assert.equal(existsSync(join(folder, 'sweep_logs', 'bad-value')), false)
  })

  it('refuses what makes no sense before anything is made', () => {
    const cases: [string[], RegExp][] = [
      [['--sampler', 'tpee'], /--sampler: expected one of .* Did you mean "tpe"\?/],
      [['--pruner', 'x'], /--pruner: expected one of none, median/],
      [['--timeout', '5'], /expected a time such as 90s, 30m or 2h/],
      [['--resume'], /expected a study "refused" in .*found none/],
      [['--trials', '0'], /--trials: expected a whole number ≥ 1/],
      [['--set', 'arcface.lrr=1'], /unknown key "lrr"/],
    ]
    for (const [more, message] of cases) {
      const { status, stderr } = sweep('--name', 'refused', ...more)
      assert.equal(status, 2, stderr)
      assert.match(stderr, message)
    }
    assert.equal(existsSync(join(folder, 'sweep_logs', 'refused')), false)
  })
})
