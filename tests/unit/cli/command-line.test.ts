/** The program as a user runs it: a process of its own, with an addon path that does not exist. */

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { runProgram, type Ended } from '../../support/run-program.ts'

const folder = mkdtempSync(join(tmpdir(), 'trivium-cli-'))
after(() => rmSync(folder, { recursive: true }))

const run = (...args: string[]): Promise<Ended> =>
  runProgram(folder, args, { TRIVIUM_ADDON: join(folder, 'no-addon.node') })

describe('run-pipeline', { concurrency: 2 }, () => {
  it('--help lists options and commands without the addon', async () => {
    const { code, stdout, stderr } = await run('--help')
    assert.equal(code, 0, stderr)
    for (const word of ['--phases', '--num_epochs', '--set', 'predict', 'doctor', 'Examples'])
      assert.ok(stdout.includes(word), word)
    assert.equal(stderr, '')
  })

  it('predict --help shows the options of predict', async () => {
    const { code, stdout } = await run('predict', '--help')
    assert.equal(code, 0)
    assert.match(stdout, /--model/)
    assert.doesNotMatch(stdout, /--weight_decay/)
  })

  it('--version prints the version', async () => {
    const { code, stdout } = await run('--version')
    assert.equal(code, 0)
    assert.match(stdout, /^\d+\.\d+\.\d+\S*\n$/)
  })

  it('--plan prints phases, inputs and outputs without the addon', async () => {
    const { code, stdout, stderr } = await run('--phases', 'arcface', 'evaluate', '--plan', '--set', 'arcface.epochs=3')
    assert.equal(code, 0, stderr)
    assert.match(stdout, /1\. arcface: 3 epochs/)
    assert.match(stdout, /2\. evaluate\n {5}from phase arcface of this run\n {5}to +eval_results\/digits/)
  })

  it('--plan says which published weights a phase starts from', async () => {
    const inputs = async (...args: string[]): Promise<[string, boolean][]> => {
      const { stdout } = await run('--plan', '--json', '--name', 'never', ...args)
      const { phases } = JSON.parse(stdout) as { phases: { input: string; input_found: boolean }[] }
      return phases.map(({ input, input_found: found }) => [input, found])
    }
    const weights = ['--set', 'backbone={name: resnet18, pretrained: true}']
    assert.deepEqual(await inputs('--phases', 'supcon', ...weights), [['published weights of resnet18', true]])
    assert.deepEqual(await inputs('--phases', 'evaluate', '--set', 'backbone.pretrained=absent.pth'), [
      ['the classifier of absent.pth', false],
    ])
    assert.deepEqual(await inputs('--phases', 'evaluate', '--set', 'evaluate.model=hf:a/b'), [['hf:a/b', true]])
  })

  it('--plan --json tells the same as data', async () => {
    const { code, stdout } = await run(
      '--dataset',
      'cifar100',
      '--num_epochs',
      '300',
      '--batch-size',
      '128',
      '--lr=0.1',
      '--weight_decay',
      '5e-4',
      '--plan',
      '--json',
    )
    assert.equal(code, 0)
    const plan = JSON.parse(stdout) as { phases: { phase: string; work: string }[]; data: { dataset: string } }
    assert.deepEqual(
      plan.phases.map(({ phase }) => phase),
      ['train', 'evaluate'],
    )
    assert.equal(plan.phases[0]?.work, '300 epochs, batch 128, lr 0.1')
    assert.equal(plan.data.dataset, 'cifar100')
  })

  it('--print-config prints YAML with the source of each value', async () => {
    const { code, stdout } = await run('--print-config', '--seed', '7')
    assert.equal(code, 0)
    assert.match(stdout, /^seed: 7 # --seed$/m)
  })

  it('ends with 2 and one line for a wrong configuration', async () => {
    writeFileSync(join(folder, 'bad.yaml'), 'seed: 1\nsupcon:\n  temprature: 0.1\n')
    const { code, stdout, stderr } = await run('--config', 'bad.yaml')
    assert.equal(code, 2)
    assert.equal(stdout, '')
    assert.equal(stderr, 'error: bad.yaml:3: unknown key "temprature" in supcon. Did you mean "temperature"?\n')
  })

  it('--json gives the error as data too', async () => {
    const { code, stdout } = await run('--config', 'missing.yaml', '--json')
    assert.equal(code, 2)
    const { ok, exit_code, error } = JSON.parse(stdout) as {
      ok: boolean
      exit_code: number
      error: { name: string; message: string }
    }
    assert.deepEqual([ok, exit_code, error.name], [false, 2, 'ConfigError'])
    assert.match(error.message, /missing\.yaml: no such file/)
  })

  it('--debug shows where an error was thrown', async () => {
    assert.match((await run('--config', 'missing.yaml', '--debug')).stderr, /at .*read-yaml\.ts/)
  })

  for (const [args, message] of [
    [['--num_epoch', '3'], /unknown option --num_epoch\. Did you mean "--num_epochs"\?/],
    [['--seed', 'abc'], /--seed: expected a whole number ≥ 0, got "abc"/],
    [['--lr', '-1'], /--lr: expected a number > 0, got "-1"/],
    [['--seed', '1', '--seed', '2'], /Give the option once/],
    [['--phases'], /--phases: expected one or more words/],
    [['--phases', 'supcom'], /Did you mean "supcon"\?/],
    [['--config'], /config/],
    [['predct'], /unknown command "predct"\. Did you mean "predict"\?/],
    [['--set', 'seed=1', 'extra'], /unknown command "extra"/],
    [['predict', 'x.png'], /--model: expected/],
    [['predict', '--model', 'none', 'x.png'], /got "none"/],
    [['doctor', 'now'], /takes no words/],
    [['--resume', '--plan', '--name', 'never'], /expected a run called "never"/],
  ] as const) {
    it(`refuses ${args.join(' ')}`, async () => {
      const { code, stderr } = await run(...args)
      assert.equal(code, 2, stderr)
      assert.match(stderr, message)
      assert.equal(stderr.split('\n').length, 2, stderr)
    })
  }

  it('says how to build the addon when a run needs it', async () => {
    const { code, stderr } = await run('--phases', 'train')
    assert.equal(code, 1)
    assert.match(stderr, /addon is not built/)
    assert.match(stderr, /npm run build:native/)
  })

  it('doctor works without the addon and says what to do', async () => {
    const { code, stdout } = await run('doctor')
    assert.equal(code, 1)
    assert.match(stdout, /✗ addon .*not built/)
    assert.match(stdout, /→ npm run build:native/)
    assert.match(stdout, /✓ Node\.js/)
  })

  it('doctor --json names every check', async () => {
    const { stdout } = await run('doctor', '--json')
    const { ok, checks } = JSON.parse(stdout) as { ok: boolean; checks: { name: string; status: string }[] }
    assert.equal(ok, false)
    for (const name of [
      'Node.js',
      'LibTorch',
      'addon',
      'g++',
      'cmake',
      'ninja',
      'onnxruntime-node',
      'sharp',
      'machine',
      'disk',
    ]) {
      assert.ok(
        checks.some((check) => check.name === name),
        name,
      )
    }
    assert.equal(checks.find(({ name }) => name === 'addon')?.status, 'missing')
  })

  it('schema prints a JSON Schema', async () => {
    const schema = JSON.parse((await run('schema')).stdout) as { properties: Record<string, unknown> }
    assert.ok('supcon' in schema.properties)
  })

  it('predict refuses an empty folder and a run without a model', async () => {
    mkdirSync(join(folder, 'empty'))
    mkdirSync(join(folder, 'snapshots', 'bare'), { recursive: true })
    writeFileSync(join(folder, 'fake.onnx'), 'not a model')
    assert.match((await run('predict', '--model', 'fake.onnx', 'empty')).stderr, /expected images .*found none/)
    const bare = await run('predict', '--model', 'bare', 'fake.onnx')
    assert.match(bare.stderr, /expected an exported model .*--phases export/)
    assert.equal(bare.code, 1)
  })

  it('predict says what is wrong with a file that is no model', async () => {
    writeFileSync(join(folder, 'fake.onnx'), 'not a model')
    const { code, stderr } = await run('predict', '--model', 'fake.onnx', 'fake.onnx')
    assert.notEqual(code, 0)
    assert.match(stderr, /^error: .*fake\.onnx/m)
    assert.doesNotMatch(stderr, /\n\s+at /)
  })
})
