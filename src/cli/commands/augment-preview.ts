/** `run-pipeline augment-preview`: a contact sheet of what a configuration's augmentations do. */

import { extname, resolve } from 'node:path'
import { resolveConfig } from '../../config/index.ts'
import { trainingPhaseNames } from '../../phases/context.ts'
import { ConfigError } from '../../util/errors.ts'
import { writeFileAtomic } from '../../util/files.ts'
import { createLogger } from '../../util/logger.ts'
import type { Command, Invocation } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'

export const augmentPreviewCommand: Command = {
  name: 'augment-preview',
  summary: 'Draws what the augmentations of a configuration do to some training images, with the drawn parameters.',
  usage: 'augment-preview [--config <file>] [--phase <phase>] [--output <file.png>]',
  flags: {
    config: { kind: 'text', alias: 'c', describe: 'YAML file (default: the packaged one of the data set)' },
    set: { kind: 'repeated', describe: 'one key, repeatable: --set train.augmentations.randaugment=true' },
    dataset: { kind: 'text', describe: 'the kind of data set: cifar10, imagefolder, manifest, parquet …' },
    data: { kind: 'text', describe: 'its folder; without --dataset one of class folders with images' },
    phase: { kind: 'text', describe: 'whose augmentations (default: the first training phase that would run)' },
    count: { kind: 'whole', minimum: 1, describe: 'images (default 8)' },
    views: { kind: 'whole', minimum: 1, describe: 'augmented versions of each (default 5)' },
    epoch: { kind: 'whole', minimum: 0, describe: 'the epoch whose draws are shown (default 0)' },
    seed: { kind: 'whole', minimum: 0, describe: 'seed of everything random' },
    output: { kind: 'text', alias: 'o', describe: 'PNG to write (default augment-preview.png)' },
  },
  takesWords: false,
  examples: [
    ['run-pipeline augment-preview', 'the packaged digits configuration'],
    [
      "run-pipeline augment-preview --dataset cifar10 --phase train --set 'train.augmentations=[randaugment]'",
      'one policy',
    ],
  ],
  run: preview,
}

async function preview({ flags, output, json, quiet }: Invocation): Promise<number> {
  const file = resolve(flags.text('output') ?? 'augment-preview.png')
  if (extname(file).toLowerCase() !== '.png')
    throw new ConfigError(`--output: expected a file that ends in .png, got "${flags.text('output')}".`)
  const { config, phases } = resolveConfig({
    config: flags.text('config'),
    set: flags.repeated('set'),
    dataset: flags.text('dataset'),
    data: flags.text('data'),
    seed: flags.number('seed'),
  })
  const named = flags.text('phase')
  const phase = trainingPhaseNames.find((name) => (named === undefined ? phases.includes(name) : name === named))
  if (phase === undefined)
    throw new ConfigError(
      `--phase: expected one of ${trainingPhaseNames.join(', ')}, got ${named === undefined ? 'a configuration that trains nothing' : `"${named}"`}.`,
    )
  const { augmentations, imageSize } = config[phase as 'train']
  const [{ openDataset }, { augmentPreview, phaseSeed }, { contactSheet }] = await Promise.all([
    import('../../data/index.ts'),
    import('../../phases/index.ts'),
    import('../../report/index.ts'),
  ])
  const data = await openDataset(config.data, {
    seed: config.seed,
    imageSize: imageSize ?? undefined,
    logger: createLogger(),
  })
  const side = imageSize ?? data.imageSize
  const views = flags.number('views') ?? 5
  const epoch = flags.number('epoch') ?? 0
  const rows = await augmentPreview(data, {
    augmentations,
    imageSize: side,
    seed: phaseSeed(config.seed, phase),
    count: flags.number('count') ?? 8,
    views,
    epoch,
  })
  const png = await contactSheet(rows, {
    title: `${config.run.name}: augmentations of phase ${phase}, ${side} px, seed ${config.seed}, epoch ${epoch}`,
    columns: ['image', ...Array.from({ length: views }, (_, view) => `view ${view}`)],
  })
  await writeFileAtomic(file, png)
  if (json) output.result(JSON.stringify({ ok: true, phase, file, images: rows.length, views }, null, 2))
  else if (!quiet) output.result(file)
  return exitCodes.ok
}
