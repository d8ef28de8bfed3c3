import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { nextCommand, resumeCommand, resumeSweepCommand, runConfigCommand } from '../../../src/cli/next-command.ts'
import type { PhaseName, PhaseResult, PipelineResult } from '../../../src/phases/index.ts'
import { runPaths } from '../../../src/phases/index.ts'

const result = (phases: PhaseName[], files: string[] = []): PipelineResult => ({
  run: runPaths('.', 'digits-2'),
  outcome: 'finished',
  files: [],
  phases: phases.map((phase): PhaseResult => ({
    phase,
    outcome: 'finished',
    snapshot: null,
    files,
    metrics: {},
    seconds: 1,
  })),
})

describe('the next command', () => {
  it('goes on with the run that was numbered, with the options that were typed', () => {
    assert.equal(
      resumeCommand(runPaths('.', 'digits-2'), [
        '--config',
        'my file.yaml',
        '--name',
        'digits',
        '--set=run.directory=a b',
        '--phases',
        'supcon',
        'arcface',
      ]),
      "npx run-pipeline --config 'my file.yaml' '--set=run.directory=a b' --phases supcon arcface --name digits-2 --resume",
    )
    assert.equal(resumeCommand(runPaths('.', 'a'), ['--resume', '--name=b']), 'npx run-pipeline --name a --resume')
  })

  it('goes on with a sweep, or runs its best configuration, in words that a shell takes as they are', () => {
    assert.equal(
      resumeSweepCommand(['--name', 'a b;$X', '--resume', '--trials', '3']),
      "npx run-pipeline sweep --name 'a b;$X' --trials 3 --resume",
    )
    assert.equal(runConfigCommand("o'er/best.yaml"), "npx run-pipeline --config 'o'\\''er/best.yaml'")
  })

  it('is a prediction when there is a model', () => {
    assert.match(
      nextCommand(result(['export'], ['snapshots/digits-2/export/model.onnx']), []),
      /predict --model digits-2 path/,
    )
  })

  it('is a prediction that names the folder of a run that is elsewhere, since it reads no configuration', () => {
    const files = ['CU/snapshots/digits-2/export/model.onnx']
    const predict = (root: string): string =>
      nextCommand({ ...result(['export'], files), run: runPaths(root, 'digits-2') }, ['--set', `run.directory=${root}`])
    assert.equal(predict('CU'), 'npx run-pipeline predict --model digits-2 --directory CU path/to/image.png')
    assert.match(predict('my runs'), / --directory 'my runs' path/)
    assert.doesNotMatch(predict(process.cwd()), /--directory/)
  })

  it('is what the run has not done yet', () => {
    const args = ['--dataset', 'cifar10', '--phases', 'supcon', 'arcface', '--lr', '0.1', '--seed', '3']
    assert.equal(
      nextCommand(result(['arcface']), args),
      'npx run-pipeline --dataset cifar10 --seed 3 --phases evaluate export --name digits-2',
    )
    assert.match(nextCommand(result(['train', 'evaluate']), []), /--phases export --name digits-2$/)
    assert.match(nextCommand(result(['supcon']), []), /--phases arcface evaluate export/)
  })
})
