/** Parameter counts that other implementations gave (tests/golden/*.py). */
import { readFileSync } from 'node:fs'

interface Case {
  readonly name: string
  readonly image_size: number
  readonly options: Readonly<Record<string, unknown>>
  readonly parameters: number
}

function golden<T>(file: string): T {
  return JSON.parse(readFileSync(new URL(`../golden/${file}`, import.meta.url), 'utf8')) as T
}

/** timm's networks at their usual size with 1000 classes. */
export function timmParameters(): Map<string, number> {
  return new Map(
    golden<{ name: string; parameters: number }[]>('timm_entries.json').map((row) => [row.name, row.parameters]),
  )
}

const goldenClasses = 7

/** Of a network at an image size, when a golden file has it; those were made with 7 classes. */
export function goldenParameters(
  name: string,
  { imageSize, classes, numFeatures }: { imageSize: number; classes: number; numFeatures: number },
): number | undefined {
  for (const file of ['models.json', 'backbones_conv.json', 'backbones_transformer.json']) {
    const found = golden<{ backbones: Case[] }>(file).backbones.find(
      (one) => one.name === name && one.image_size === imageSize && Object.keys(one.options).length === 0,
    )
    if (found !== undefined) return found.parameters + (classes - goldenClasses) * (numFeatures + 1)
  }
  return undefined
}
