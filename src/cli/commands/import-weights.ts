/** `run-pipeline import-weights`: a checkpoint of any program as safetensors under timm's names, checked against the network. */

import { existsSync } from 'node:fs'
import type { Command, Invocation } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { ConfigError } from '../../util/errors.ts'

/** Values of the probe that are shown; --json has all. */
const SHOWN = 6

export const importWeightsCommand: Command = {
  name: 'import-weights',
  summary:
    'Reads a checkpoint of PyTorch or the hub, checks it against a network, and writes safetensors with timm’s names.',
  usage: 'import-weights <network> <file | hf:repository[@revision]> --output weights.safetensors',
  flags: {
    output: {
      kind: 'text',
      alias: 'o',
      value: 'file',
      describe: 'the file to write; one that is there is kept unless --force',
    },
    image_size: { kind: 'whole', minimum: 1, describe: 'side of the images in pixels; positions are resampled to it' },
    force: { kind: 'switch', describe: 'write over a file that is there' },
  },
  takesWords: true,
  examples: [
    ['run-pipeline import-weights resnet20 resnet20-12fca82f.th -o resnet20.safetensors', 'a checkpoint of torch.save'],
    [
      'run-pipeline import-weights dinov2_base14 dinov2_vitb14_pretrain.pth -o dinov2.safetensors',
      'with its authors’ names',
    ],
  ],
  run: importWeights,
}

async function importWeights({ flags, words, output, json }: Invocation): Promise<number> {
  const [network, weights, ...more] = words
  if (network === undefined || weights === undefined || more.length > 0)
    throw new ConfigError(
      `import-weights: expected a network and a file (or hf:<repository>), got ${words.length === 0 ? 'nothing' : words.join(' ')}. ` +
        'run-pipeline models lists the networks.',
    )
  const target = flags.text('output')
  if (target === undefined) throw new ConfigError('--output: expected the file to write, got nothing.')
  if (existsSync(target) && !flags.switch('force'))
    throw new ConfigError(`--output: ${target} exists. Choose another name, or add --force to write over it.`)
  const models = await import('../../models/index.ts')
  const { silentLogger } = await import('../../util/logger.ts')
  const say = (message: string): void => output.note(message)
  const logger = { ...silentLogger, info: say, warn: say }
  const imported = await models.importWeights(network, weights, target, {
    logger,
    imageSize: flags.number('image_size'),
  })
  const { numClasses, parameters, imageSize, probe } = imported
  if (json) {
    output.result(JSON.stringify({ ok: true, output: target, ...imported }, null, 2))
    return exitCodes.ok
  }
  const what = numClasses > 0 ? `${numClasses} classes` : 'no classifier'
  output.result(`${target}: ${network}, ${parameters} parameters, ${what}`)
  output.result(
    `${numClasses > 0 ? 'logits' : 'features'} of the image sin(0.37 i), 1 × 3 × ${imageSize} × ${imageSize}: ` +
      `${probe
        .slice(0, SHOWN)
        .map((value) => value.toPrecision(6))
        .join(' ')}${probe.length > SHOWN ? ' …' : ''}`,
  )
  return exitCodes.ok
}
