import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { AugmentationMap } from '../../../src/augment/index.ts'
import {
  type ConfigRequest,
  configSchema,
  configToYaml,
  listKeys,
  type ResolvedConfig,
  resolveConfig,
  snakeCase,
} from '../../../src/config/index.ts'
import { ConfigError } from '../../../src/util/errors.ts'
import { packageFile } from '../../../src/util/package-root.ts'

const folder = mkdtempSync(join(tmpdir(), 'trivium-config-'))
after(() => rmSync(folder, { recursive: true }))

let count = 0
/** Writes a configuration file and gives its path. */
function file(text: string): string {
  const path = join(folder, `c${count++}.yaml`)
  writeFileSync(path, text)
  return path
}

const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url))
const resolve = (text: string, request: ConfigRequest = {}): ResolvedConfig =>
  resolveConfig({ config: file(text), ...request })

/** The message, with the folder taken out. */
function complaint(request: ConfigRequest): string {
  try {
    resolveConfig(request)
  } catch (error) {
    assert.ok(error instanceof ConfigError, String((error as Error).stack))
    return error.message.replaceAll(`${folder}/`, '')
  }
  throw new assert.AssertionError({ message: `accepted ${JSON.stringify(request)}` })
}
const complaintAbout = (text: string, request: ConfigRequest = {}): string =>
  complaint({ config: file(text), ...request })

describe('configuration messages', () => {
  it('name file, line, key and the key that was meant', () => {
    const text = 'seed: 1\n\nsupcon:\n  epochs: 3\n  temprature: 0.1\n'
    assert.match(
      complaintAbout(text),
      /^c\d+\.yaml:5: unknown key "temprature" in supcon\. Did you mean "temperature"\?$/,
    )
  })

  it('suggest a section, and a flat key', () => {
    assert.match(complaintAbout('archface: {epochs: 1}'), /:1: unknown key "archface"\. Did you mean "arcface"\?/)
    assert.match(complaintAbout('num_epoch: 1'), /Did you mean "num_epochs"\?/)
    assert.match(complaintAbout('train: {freeze: {stages:2}}'), /YAML wants a space after the colon of "stages:"/)
  })

  it('name the places of a key that stands in the wrong one: those of its section first, else all, a few of many', () => {
    assert.match(
      complaint({ set: ['compile=true'] }),
      /: unknown key "compile"\. It belongs at train\.compile, supcon\.compile, arcface\.compile or distill\.compile\.$/,
    )
    assert.match(
      complaintAbout('train: {dwell: true}'),
      /:1: unknown key "dwell" in train\. It belongs at train\.lra\.dwell\.$/,
    )
    assert.match(
      complaintAbout('evaluate: {num_epochs: 3}'),
      /unknown key "num_epochs" in evaluate\. It belongs at the top level \(num_epochs:\)\.$/,
    )
    assert.match(
      complaintAbout('patience: 1'),
      /: unknown key "patience"\. It belongs at train\.schedule\.patience, .*, arcface\.lra\.patience or 2 more places\.$/,
    )
    const keys = new Set(listKeys(configSchema).map(({ path }) => snakeCase(path.at(-1) as string)))
    for (const key of keys) {
      if (['file', 'level', 'wandb'].includes(key)) continue
      assert.match(complaint({ set: [`logging.${key}=1`] }), / in logging\. It belongs at /, key)
    }
  })

  it('show what was expected and what came', () => {
    assert.match(
      complaintAbout('supcon:\n  batch_size: many'),
      /:2: supcon\.batch_size: expected a number, got "many"\./,
    )
    assert.match(
      complaintAbout('supcon:\n  temperature: -1'),
      /:2: supcon\.temperature: expected a number > 0, got -1\./,
    )
    assert.match(
      complaintAbout('arcface: {optimizer: adam}'),
      /:1: arcface\.optimizer: expected one of adamw, sgd, lamb, lion, muon, got "adam"\. Did you mean "adamw"\?/,
    )
    assert.match(complaintAbout('supcon: {enabled: yes}'), /expected true or false, got "yes"\. Write true or false\./)
    assert.match(complaintAbout('supcon: 3'), /:1: supcon: expected a map of keys and values, got 3\./)
    assert.match(complaintAbout('device: gpu'), /:1: device: expected one of auto, cpu, cuda.*got "gpu"/)
    assert.match(complaintAbout('seed: .nan'), /:1: seed: expected .*number/)
  })

  it('look into the branch of a union that fits the value', () => {
    assert.match(
      complaintAbout('train:\n  augmentations:\n    random_crop:\n      paddin: 2'),
      /:4: unknown key "paddin" in train\.augmentations\.random_crop\. Did you mean "padding"/,
    )
    assert.match(
      complaintAbout('train: {augmentations: [randaugmnt]}'),
      /augmentations\[0\]: expected one of random_resized_crop, random_crop, .*, got "randaugmnt"\. Did you mean "randaugment"/,
    )
    assert.match(
      complaintAbout('train: {augmentations: [{rotation: 30}]}'),
      /augmentations\[0\]\.rotation: expected true or false or a map of keys and values, got 30/,
    )
    assert.match(
      complaintAbout('train: {augmentations: {random_crop: big}}'),
      /random_crop: expected true or false or a map of keys and values, got "big"/,
    )
  })

  it('come in the order of the lines', () => {
    const text = 'supcon:\n  lr: x\nevaluate: 3\ndata:\n  workers: -1\n'
    assert.deepEqual(
      complaintAbout(text)
        .split('\n')
        .map((line) => /^[^:]*:(\d+):/.exec(line)?.[1]),
      ['2', '3', '5'],
    )
  })

  it('list every problem at once', () => {
    const lines = complaintAbout('seed: x\nsupcon:\n  lr: 0\n  foo: 1\n').split('\n')
    assert.equal(lines.length, 3)
    assert.deepEqual(lines.map((line) => /:(\d):/.exec(line)?.[1]).sort(), ['1', '3', '4'])
  })

  it('name the override or flag that is wrong', () => {
    assert.match(
      complaint({ set: ['arcface.lrr=1'] }),
      /^--set arcface\.lrr=1: unknown key "lrr" in arcface\. Did you mean "lr"\?/,
    )
    assert.match(
      complaint({ set: ['arcface.lr=fast'] }),
      /^--set arcface\.lr=fast: arcface\.lr: expected a number, got "fast"/,
    )
    assert.match(complaint({ lr: -1, phases: ['train'] }), /^--lr: train\.lr: expected a number > 0, got -1/)
    assert.match(
      complaint({ dataset: 'cifar1000' }),
      /--dataset: expected one of .*got "cifar1000"\. Did you mean "cifar100"/,
    )
    assert.match(complaint({ phases: ['supcom'] }), /--phases: .*got "supcom"\. Did you mean "supcon"/)
    assert.match(complaint({ data: 'x', dataset: 'digits' }), /Give one of them/)
  })

  it('refuse two keys for one thing', () => {
    assert.match(complaintAbout('num_epochs: 3\ntrain: {epochs: 4}'), /same option/)
    assert.match(complaintAbout('supcon: {epochs: 3, steps: 4}'), /only one of epochs, steps, examples/)
  })
})

describe('configuration precedence', () => {
  it('is defaults < file < --set < flags', () => {
    const text = 'seed: 1\ntrain: {lr: 0.1, batch_size: 8}\n'
    assert.equal(resolve('train: {}').config.train.labelSmoothing, 0)
    assert.equal(resolve(text).config.train.lr, 0.1)
    assert.equal(resolve(text, { set: ['train.lr=0.2'] }).config.train.lr, 0.2)
    const all = resolve(text, { set: ['train.lr=0.2', 'seed=2'], lr: 0.3, seed: 3, phases: ['train'] })
    assert.equal(all.config.train.lr, 0.3)
    assert.equal(all.config.seed, 3)
    assert.equal(all.config.train.batchSize, 8)
  })

  it('lets flat keys of --set win over the sections of the file', () => {
    assert.equal(resolve('train: {epochs: 2}', { set: ['num_epochs=5'] }).config.train.epochs, 5)
  })

  it('gives training flags to every training phase that runs and to no other', () => {
    const { config } = resolve('supcon: {lr: 1}\narcface: {lr: 1}\ndistill: {lr: 1}', {
      phases: ['supcon', 'arcface', 'evaluate'],
      lr: 0.5,
      numEpochs: 7,
      batchSize: 9,
      weightDecay: 0.25,
    })
    for (const phase of [config.supcon, config.arcface]) {
      assert.deepEqual([phase.lr, phase.epochs, phase.batchSize, phase.weightDecay], [0.5, 7, 9, 0.25])
    }
    assert.equal(config.distill.lr, 1)
    assert.notEqual(config.distill.epochs, 7)
  })

  it('lets --num_epochs take the place of steps in the file', () => {
    const { config } = resolve('supcon: {steps: 200}', { phases: ['supcon'], numEpochs: 2 })
    assert.deepEqual([config.supcon.epochs, config.supcon.steps], [2, null])
    const other = resolve('supcon: {epochs: 20}', { set: ['supcon.steps=5'] })
    assert.deepEqual([other.config.supcon.epochs, other.config.supcon.steps], [null, 5])
  })

  it("adds a phase's backbone to the general one unless it names a network", () => {
    const { config } = resolve(
      'backbone: {name: resnet18, cifar_stem: true}\nsupcon: {backbone: {cifar_stem: false}}\narcface: {backbone: {name: small_cnn}}\n',
    )
    assert.deepEqual([config.supcon.backbone?.name, config.supcon.backbone?.cifarStem], ['resnet18', false])
    assert.equal(config.arcface.backbone?.name, 'small_cnn')
    assert.notEqual(config.arcface.backbone?.cifarStem, true)
    assert.equal(config.distill.backbone, null)
  })

  it('tells where a value was written', () => {
    const resolved = resolve('seed: 1\ntrain:\n  lr: 0.1\n', { set: ['train.beta1=0.5'], device: 'cpu' })
    assert.match(resolved.origin(['train', 'lr']) ?? '', /:3$/)
    assert.equal(resolved.origin(['train', 'beta1']), '--set train.beta1=0.5')
    assert.equal(resolved.origin(['device']), '--device')
    assert.equal(resolved.origin(['train', 'nesterov']), null)
  })
})

describe('which phases run', () => {
  const curriculum = ['supcon', 'arcface', 'distill', 'evaluate', 'export']

  it('is the curriculum by default', () => {
    assert.deepEqual(resolveConfig({}).phases, curriculum)
    assert.deepEqual(resolve('supcon: {}').phases, curriculum)
  })

  it('is what --phases says, in the order of the pipeline', () => {
    assert.deepEqual(resolve('seed: 1', { phases: ['evaluate', 'supcon', 'supcon'] }).phases, ['supcon', 'evaluate'])
  })

  it('is what the file says under phases, unless --phases is given', () => {
    const text = 'phases: [train, export]'
    assert.deepEqual(resolve(text).phases, ['train', 'export'])
    assert.deepEqual(resolve(text, { phases: ['supcon'] }).phases, ['supcon'])
  })

  it('leaves out a section with enabled: false and says where that stands', () => {
    const { phases, skipped } = resolve('supcon:\n  enabled: false\n')
    assert.deepEqual(phases, curriculum.slice(1))
    assert.equal(skipped[0]?.phase, 'supcon')
    assert.match(skipped[0]?.reason ?? '', /:2\)/)
    assert.deepEqual(resolve('supcon: {enabled: false}', { phases: ['supcon', 'arcface'] }).phases, ['arcface'])
    assert.deepEqual(resolve('train: {enabled: true}\nsupcon: {}').phases, ['train', ...curriculum])
  })

  it('names what was set for a phase that does not run', () => {
    const text = 'batch_size: 3\nsupcon:\n  epochs: 1\n'
    assert.deepEqual(
      resolve(text, { phases: ['supcon'], set: ['arcface.batch_size=7', 'supcon.lr=1'] }).withoutEffect.map((notice) =>
        notice.replace(/^.*\//, ''),
      ),
      [
        `c${count - 1}.yaml:1: "batch_size" has no effect: it belongs to phase train, which does not run`,
        '--set arcface.batch_size=7 has no effect: phase arcface does not run',
      ],
    )
    assert.deepEqual(resolve('batch_size: 3\n').withoutEffect, [])
  })

  it('a patience without early stopping is told, unless the file beside it says that there is none', () => {
    const told = (text: string, ...set: string[]): string[] =>
      resolve(text, { set }).withoutEffect.map((notice) => notice.replaceAll(`${folder}/`, ''))
    const train = 'train.early_stopping_patience has no effect without train.early_stopping: true'
    assert.deepEqual(told('num_epochs: 2\nearly_stopping_patience: 3\n'), [`c${count - 1}.yaml:2: ${train}`])
    assert.deepEqual(told('train: {early_stopping_patience: 3}'), [`c${count - 1}.yaml:1: ${train}`])
    assert.deepEqual(told('early_stopping: false\nearly_stopping_patience: 3\n'), [])
    assert.deepEqual(told('early_stopping: true\nearly_stopping_patience: 3\n'), [])
    assert.deepEqual(told('early_stopping: false\n', 'train.early_stopping_patience=3'), [
      `--set train.early_stopping_patience=3: ${train}`,
    ])
    const both = ['early_stopping_patience=3', 'early_stopping=true']
    assert.deepEqual(told('early_stopping: false\n', ...both.map((key) => `train.${key}`)), [])
    assert.deepEqual(told('early_stopping_patience: 3\n', 'train.early_stopping=false'), [])
    assert.match(
      told('supcon: {early_stopping_patience: 3}\narcface: {early_stopping: true, early_stopping_patience: 1}').join(),
      /^c\d+\.yaml:1: supcon\.early_stopping_patience has no effect[^,]*$/,
    )
  })

  it('refuses to run nothing', () => {
    assert.match(complaintAbout('supcon: {enabled: false}', { phases: ['supcon'] }), /nothing to run/)
  })

  it('is plain training for the flags of a plain run without a file', () => {
    const {
      phases,
      config,
      file: path,
    } = resolveConfig({ dataset: 'cifar100', numEpochs: 300, batchSize: 128, lr: 0.1, weightDecay: 5e-4 })
    assert.deepEqual(phases, ['train', 'evaluate'])
    assert.equal(path, packageFile('configs/cifar100.yaml'))
    const { train } = config
    assert.deepEqual([train.epochs, train.batchSize, train.lr, train.weightDecay], [300, 128, 0.1, 5e-4])
    assert.deepEqual([train.optimizer, train.momentum], ['sgd', 0.9])
    assert.deepEqual([config.backbone.name, config.backbone.cifarStem], ['resnet18', true])
    assert.equal(config.data.dataset, 'cifar100')
    assert.deepEqual(resolveConfig({ dataset: 'cifar100', phases: ['supcon'] }).phases, ['supcon'])
  })

  it('is train and evaluate for a flat file', () => {
    assert.deepEqual(resolve('num_epochs: 3').phases, ['train', 'evaluate'])
  })
})

describe('data and names', () => {
  it('takes a folder of images with --data', () => {
    const { config, phases } = resolveConfig({ data: 'photos/flowers/' })
    assert.deepEqual(
      [config.data.dataset, config.data.directory, config.run.name],
      ['imagefolder', 'photos/flowers/', 'flowers'],
    )
    assert.deepEqual(phases, ['supcon', 'arcface', 'distill', 'evaluate', 'export'])
    const other = resolve('data: {dataset: cifar10, directory: d}', { data: 'photos' })
    assert.deepEqual([other.config.data.dataset, other.config.data.directory], ['imagefolder', 'photos'])
  })

  it('names a run after its file, unless told otherwise', () => {
    assert.equal(resolveConfig({}).config.run.name, 'digits')
    assert.equal(resolveConfig({ name: 'mine' }).config.run.name, 'mine')
    assert.equal(resolve('run: {name: theirs}').config.run.name, 'theirs')
    assert.match(complaintAbout('run: {name: ../up}'), /run\.name/)
  })
})

describe('published configurations', () => {
  it('reads every flat key into its place', () => {
    const { config, phases } = resolveConfig({ config: fixture('flat.yaml'), set: ['pretrained=false'] })
    assert.deepEqual(phases, ['train', 'evaluate'])
    assert.equal(config.device, 'cuda')
    assert.deepEqual(
      { ...config.data, ...config.train },
      {
        ...config.data,
        ...config.train,
        dataset: 'cifar10',
        directory: './data',
        workers: 2,
        shuffleTrain: true,
        batchSize: 128,
        epochs: 10,
        useValidation: true,
        lr: 0.001,
        momentum: 0.9,
        optimizer: 'sgd',
        earlyStopping: false,
        earlyStoppingPatience: 5,
        lossFunction: 'cross_entropy',
      },
    )
    assert.deepEqual(config.train.augmentations, { randomCrop: false, horizontalFlip: false })
    assert.equal(config.backbone.name, 'resnet18')
    assert.deepEqual(resolve('data_augmentation: true').config.train.augmentations, {
      randomCrop: true,
      horizontalFlip: true,
    })
  })

  it('asks for the published weights of its network', () => {
    assert.equal(resolveConfig({ config: fixture('flat.yaml') }).config.backbone.pretrained, true)
  })

  it('loads the file with sections, every key of it', () => {
    const { config } = resolveConfig({ config: fixture('sections.yaml') })
    assert.deepEqual([config.supcon.steps, config.supcon.epochs, config.supcon.imageSize], [200, null, 224])
    assert.equal(config.arcface.lr, 1e-4)
    assert.equal(config.arcface.emaDecay, 0.9995)
    assert.equal((config.arcface.augmentations as AugmentationMap).randomResizedCrop, true)
    assert.equal(config.distill.teacherHeadPath, './snapshots/head/snapshot_epoch_30.pth')
    assert.equal(config.logging.file, './logs/full_pipeline.log')
    const { enabled, project, runName, entity, mode } = config.logging.wandb
    assert.deepEqual([enabled, project, runName], [true, 'image-classification-pipeline', 'cifar100-experiment'])
    assert.deepEqual([entity, mode], [null, 'offline'])
  })

  it('lets one key choose the network: name, or the halves of a hybrid', () => {
    const small = { dataset: 'digits' }
    const two = complaint({ ...small, set: ['backbone.name=resnet18', 'backbone.vit_model=vit_test'] })
    assert.match(two, /backbone\.vit_model chooses a network, and so does backbone\.name: resnet18 \(.+\)\. Keep one/)
    const halves = ['supcon.backbone.cnn_model=resnet_test', 'supcon.backbone.vit_model=vit_test']
    const { config } = resolveConfig({ ...small, set: [...halves, 'arcface.backbone.vit_model=vit_test'] })
    assert.equal(config.supcon.backbone?.name, 'hybrid')
    assert.deepEqual(config.arcface.backbone, { name: 'vit_test', pretrained: false })
  })
})

describe('saved configuration', () => {
  for (const name of readdirSync(packageFile('configs')).filter((entry) => entry.endsWith('.yaml'))) {
    it(`configs/${name} loads, and loads again from its saved form to the same values`, () => {
      const first = resolveConfig({ config: packageFile(`configs/${name}`) })
      const saved = configToYaml(first, { sources: true })
      const second = resolveConfig({ config: file(saved) })
      assert.deepEqual(second.config, { ...first.config, phases: first.phases })
      assert.deepEqual(second.phases, first.phases)
    })
  }

  it('is written in snake_case with the source of each value', () => {
    const yaml = configToYaml(resolve('train:\n  batch_size: 4\n', { set: ['seed=9'] }), { sources: true })
    assert.match(yaml, /^ {2}batch_size: 4 # .*c\d+\.yaml:2$/m)
    assert.match(yaml, /^seed: 9 # --set seed=9$/m)
    assert.match(yaml, /^ {2}weight_decay: [\d.]+$/m)
  })
})
