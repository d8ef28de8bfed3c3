/** `run-pipeline models`: the networks that can be trained. */

import type { ModelInfo } from '../../models/index.ts'
import type { Command } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { table } from '../table.ts'

export const modelsCommand: Command = {
  name: 'models',
  summary: 'Lists the backbones that can be named in a configuration, with size, cost and published weights.',
  usage: 'models [part-of-a-name …]',
  flags: {},
  takesWords: true,
  examples: [
    ['run-pipeline models resnet', 'those whose name or family contains "resnet"'],
    ['run-pipeline models vit 384', 'those with both words'],
  ],
  async run({ words, output, json }) {
    const { listModels } = await import('../../models/index.ts')
    const found = words.reduce<readonly ModelInfo[]>((kept, word) => {
      const names = new Set(listModels(word).map(({ name }) => name))
      return kept.filter(({ name }) => names.has(name))
    }, listModels())
    if (json) output.result(JSON.stringify({ ok: true, models: found }, null, 2))
    else if (found.length === 0)
      output.note(`no backbone contains "${words.join(' ')}"; run-pipeline models lists all.`)
    else {
      output.result(
        table(['name', 'family', 'parameters', 'FLOPs', 'pixels', 'weights', 'licence', 'paper'], found.map(row)),
      )
      output.note(
        'FLOPs: multiply–adds of one image at that size. Weights: what pretrained: true loads, from huggingface.co.',
      )
    }
    return exitCodes.ok
  },
}

function row(model: ModelInfo): string[] {
  const { name, aliasOf, family, parameters, flops, preprocessing, weights, license, paper } = model
  const size = String(preprocessing.imageSize)
  const shown = aliasOf === '' ? name : `${name} = ${aliasOf}`
  return [shown, family, short(parameters), short(flops), size, weights || '–', license || '–', paper]
}

/** 11689512 → "11.7 M". */
function short(count: number): string {
  const units: readonly (readonly [number, string])[] = [
    [1e12, 'T'],
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ]
  // Rounding may reach the next unit: 999,999 is 1.00 M.
  const [unit, letter] = units.find(([value]) => Number(count.toPrecision(3)) >= value) ?? [1, '']
  return `${(count / unit).toPrecision(3)} ${letter}`.trim()
}
