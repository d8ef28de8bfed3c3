/**
 * The flat spelling of a simple configuration (`num_epochs: 10`, `learning_rate: 0.001`): each flat key is moved to its place in the
 * sections. Inside a training section the long names are accepted too (`arcface.learning_rate`).
 */

import { standardAugmentations } from '../augment/index.ts'
import { ConfigError } from '../util/errors.ts'
import { dotted } from './names.ts'
import { emptyMap, find, type MapNode, type Node, scalar, withValue, without } from './tree.ts'

/** camelCase flat key → where it belongs. */
export const flatKeys: Readonly<Record<string, readonly string[]>> = {
  batchSize: ['train', 'batchSize'],
  numEpochs: ['train', 'epochs'],
  epochs: ['train', 'epochs'],
  useValidation: ['train', 'useValidation'],
  dataAugmentation: ['train', 'augmentations'],
  dataset: ['data', 'dataset'],
  datasetDirectory: ['data', 'directory'],
  numWorkers: ['data', 'workers'],
  shuffleTrain: ['data', 'shuffleTrain'],
  modelName: ['backbone', 'name'],
  freeze: ['train', 'freeze'],
  pretrained: ['backbone', 'pretrained'],
  learningRate: ['train', 'lr'],
  lr: ['train', 'lr'],
  momentum: ['train', 'momentum'],
  weightDecay: ['train', 'weightDecay'],
  optimizer: ['train', 'optimizer'],
  monitor: ['train', 'monitor'],
  earlyStopping: ['train', 'earlyStopping'],
  earlyStoppingPatience: ['train', 'earlyStoppingPatience'],
  lra: ['train', 'lra'],
  askEpoch: ['train', 'askEpoch'],
  lossFunction: ['train', 'lossFunction'],
}

/** Other names for keys of the training sections. */
const synonyms: Readonly<Record<string, string>> = { learningRate: 'lr', numEpochs: 'epochs' }

const trainingSections = ['train', 'supcon', 'arcface', 'distill']

/** A flat key that was found, and where it went. */
export interface LiftedKey {
  readonly written: string
  readonly origin: string
  readonly target: readonly string[]
}

/** Moves flat keys into their sections. */
export function liftFlatKeys(tree: MapNode): { tree: MapNode; keys: LiftedKey[] } {
  let lifted = tree
  const keys: LiftedKey[] = []
  for (const [key, target] of Object.entries(flatKeys)) {
    const entry = tree.entries.get(key)
    if (entry === undefined) continue
    keys.push({ written: entry.written, origin: entry.origin, target })
    lifted = move(
      without(lifted, key),
      target,
      key === 'dataAugmentation' ? switchedAugmentation(entry.value, tree) : entry.value,
      entry,
    )
  }
  for (const section of trainingSections) {
    for (const [name, key] of Object.entries(synonyms)) {
      const options = lifted.entries.get(section)?.value
      const entry = options?.kind === 'map' ? options.entries.get(name) : undefined
      if (options?.kind !== 'map' || entry === undefined) continue
      lifted = move(withValue(lifted, [section], without(options, name)), [section, key], entry.value, entry)
    }
  }
  return { tree: lifted, keys }
}

function move(
  tree: MapNode,
  target: readonly string[],
  value: Node,
  entry: { written: string; origin: string },
): MapNode {
  const taken = find(tree, target)
  if (taken !== null) {
    throw new ConfigError(
      `${entry.origin}: "${entry.written}" and "${dotted(target)}" (${taken.origin}) are the same option. Keep one of them.`,
    )
  }
  return withValue(tree, target, { ...value, origin: entry.origin }, [...target.slice(0, -1), entry.written])
}

/** `data_augmentation: true` is the usual light recipe for the data set, `false` switches its operations off. */
function switchedAugmentation(value: Node, tree: MapNode): Node {
  const { origin } = value
  if (value.kind !== 'scalar' || typeof value.value !== 'boolean') {
    throw new ConfigError(
      `${origin}: data_augmentation: expected true or false. Single operations are set in train.augmentations.`,
    )
  }
  const dataset = toPlainText(find(tree, ['data', 'dataset']) ?? find(tree, ['dataset']))
  const usual = standardAugmentations(dataset === 'digits' ? 'digits' : 'cifar10')
  let options = emptyMap(origin)
  for (const key of ['randomCrop', 'horizontalFlip'] as const) {
    options = withValue(options, [key], scalar(value.value && usual[key] === true, origin))
  }
  return options
}

function toPlainText(node: Node | null): string {
  return node?.kind === 'scalar' ? String(node.value) : ''
}
