/** `run-pipeline`: training, evaluation and export as the configuration says. */

import { configToPlain, configToYaml, type ConfigRequest, resolveConfig } from '../../config/index.ts'
import type { Command, Invocation } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import type { Flags } from '../flags.ts'
import { savedConfig } from '../saved-config.ts'
import { planJson, planRun, planText } from '../plan.ts'

/** The stem of the file that is read when none is named. */
const DEFAULT_NAME = 'digits'

const CONFIGURATION = 'Configuration:'
const TRAINING = 'For every training phase that runs:'
const RUN = 'The run:'

const flags: Flags = {
  config: {
    kind: 'text',
    alias: 'c',
    group: CONFIGURATION,
    describe: 'YAML file (default: the packaged one of the data set)',
  },
  set: { kind: 'repeated', group: CONFIGURATION, describe: 'one key, repeatable: --set arcface.lr=3e-4' },
  dataset: { kind: 'text', group: CONFIGURATION, describe: 'digits, cifar10 or cifar100' },
  data: { kind: 'text', group: CONFIGURATION, describe: 'a folder of class folders with images' },
  device: { kind: 'text', group: CONFIGURATION, describe: 'auto, cpu, cuda, cuda:1 …' },
  seed: { kind: 'whole', minimum: 0, group: CONFIGURATION, describe: 'seed of everything random' },
  num_epochs: { kind: 'whole', minimum: 1, group: TRAINING, describe: 'epochs; takes the place of steps' },
  batch_size: { kind: 'whole', minimum: 1, group: TRAINING, describe: 'images per step' },
  lr: { kind: 'number', minimum: 0, exclusive: true, group: TRAINING, describe: 'peak learning rate' },
  weight_decay: { kind: 'number', minimum: 0, group: TRAINING, describe: 'weight decay' },
  phases: {
    kind: 'list',
    alias: 'p',
    group: RUN,
    describe: 'train supcon arcface distill evaluate export, any of them',
  },
  name: { kind: 'text', group: RUN, describe: 'name of the run (default: of the configuration file)' },
  directory: {
    kind: 'text',
    group: RUN,
    describe: 'holds snapshots/, logs/ and eval_results/ (default: the working directory)',
  },
  resume: { kind: 'switch', group: RUN, describe: 'go on with the newest run of this name' },
  plan: { kind: 'switch', group: RUN, describe: 'print what would run, and stop' },
  print_config: {
    kind: 'switch',
    group: RUN,
    describe: 'print the resolved configuration with the source of each value, and stop',
  },
}

export const runCommand: Command = {
  name: 'run',
  summary: 'Trains, evaluates and exports an image classifier.',
  usage: '[options]',
  flags,
  takesWords: false,
  examples: [
    ['run-pipeline', 'the whole curriculum on handwritten digits'],
    ['run-pipeline --config my.yaml --phases supcon arcface distill evaluate', 'chosen phases of a configuration'],
    ['run-pipeline --data photos --set supcon.epochs=5', 'a folder of class folders'],
    ['run-pipeline --dataset cifar100 --num_epochs 300 --batch_size 128 --lr 0.1', 'plain supervised training'],
  ],
  async run(invocation) {
    const { output, json } = invocation
    const values = invocation.flags
    const printing = values.switch('print_config')
    const resuming = values.switch('resume')
    const resolved = resolveConfig(requestOf(invocation, resuming))
    if (printing) {
      output.result(
        json ? JSON.stringify(configToPlain(resolved), null, 2) : configToYaml(resolved, { sources: true }).trimEnd(),
      )
      return exitCodes.ok
    }
    if (values.switch('plan')) {
      const plan = await planRun(resolved, resuming)
      output.result(json ? JSON.stringify(planJson(plan), null, 2) : planText(plan))
      return exitCodes.ok
    }
    const { runSession } = await import('../session.ts')
    return runSession(resolved, invocation)
  },
}

function requestOf({ flags: values }: Invocation, resuming: boolean): ConfigRequest {
  const directory = values.text('directory')
  const named = [values.text('config'), values.text('dataset'), values.text('data')].some(
    (value) => value !== undefined,
  )
  return {
    // A run goes on with the configuration it was started with, unless another is named.
    config:
      resuming && !named ? savedConfig(directory ?? '.', values.text('name') ?? DEFAULT_NAME) : values.text('config'),
    set: [
      ...values.repeated('set'),
      ...(directory === undefined ? [] : [`run.directory=${JSON.stringify(directory)}`]),
    ],
    phases: values.list('phases'),
    name: values.text('name'),
    dataset: values.text('dataset'),
    data: values.text('data'),
    numEpochs: values.number('num_epochs'),
    batchSize: values.number('batch_size'),
    lr: values.number('lr'),
    weightDecay: values.number('weight_decay'),
    device: values.text('device'),
    seed: values.number('seed'),
  }
}
