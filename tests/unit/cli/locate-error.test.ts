/** What a network refuses is known only once it is built; the message still names file and line. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { locateError } from '../../../src/cli/locate-error.ts'
import { pipelineConfig } from '../../../src/cli/session.ts'
import { resolveConfig } from '../../../src/config/index.ts'
import { runPipeline } from '../../../src/phases/index.ts'
import { ConfigError } from '../../../src/util/errors.ts'

const folder = mkdtempSync(join(tmpdir(), 'trivium-locate-'))
after(() => rmSync(folder, { recursive: true }))

/** The message of what `lines`, behind four others, end in. */
async function messageOf(lines: readonly string[], set: readonly string[] = []): Promise<string> {
  const path = join(folder, 'wrong.yaml')
  const head = [
    `run: { name: wrong, directory: ${folder} }`,
    'device: cpu',
    'data: { dataset: digits, image_size: 32 }',
    '',
  ]
  writeFileSync(path, [...head, ...lines, ''].join('\n'))
  const training = lines.some((line) => line.startsWith('distill')) ? 'distill' : 'train'
  try {
    const resolved = resolveConfig({ config: path, phases: [training], set })
    await runPipeline(pipelineConfig(resolved), { phases: resolved.phases }).catch((error: unknown) => {
      throw locateError(error, resolved)
    })
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error))
    return error.message.replaceAll(folder, '')
  }
  return assert.fail(`nothing is wrong with\n${lines.join('\n')}`)
}

const network = (name: string, ...keys: string[]): string[] => [
  'backbone:',
  `  name: ${name}`,
  ...keys.map((key) => `  ${key}`),
]

/** What is written from line 5 on, and how its error begins. */
const wrong: Readonly<Record<string, readonly [lines: readonly string[], message: RegExp]>> = {
  'tokens of a convolutional network': [
    network('resnet_test', 'token_merging_ratio: 0.5'),
    /^\/wrong\.yaml:7: resnet_test: token_merging_ratio is for .* which has no tokens/,
  ],
  'tokens in windows': [
    network('swinv2_test', 'drop_path_rate: 0.1', 'token_learner_tokens: 4'),
    /^\/wrong\.yaml:8: swinv2_test: token_learner_tokens .* no token may be missing/,
  ],
  'a branch that is not there': [
    network('small_cnn', 'drop_path_rate: 0.1'),
    /^\/wrong\.yaml:7: small_cnn: drop_path_rate leaves out residual branches/,
  ],
  'LoRA without linear layers': [
    network('cifar_cnn_test', 'lora_rank: 2'),
    /^\/wrong\.yaml:7: cifar_cnn_test: lora_rank: LoRA adapts linear layers/,
  ],
  'a target that names nothing': [
    network('vit_test', 'lora_rank: 2', 'lora_targets: [qvk]'),
    /^\/wrong\.yaml:8: vit_test: lora_targets: "qvk" names no linear layer .*"qkv"\?/,
  ],
  'a scale without a rank': [network('vit_test', 'lora_alpha: 2'), /^\/wrong\.yaml:7: backbone\.lora_alpha: needs lora_rank/],
  'a probability without MixStyle': [
    network('vit_test', 'mixstyle_p: 0.3'),
    /^\/wrong\.yaml:7: vit_test: mixstyle_p is set but use_mixstyle is not/,
  ],
  'an inflection without a ratio': [
    network('vit_test', 'token_merging_inflection: -1'),
    /^\/wrong\.yaml:7: vit_test: token_merging_inflection shapes token_merging_ratio/,
  ],
  'a ratio that merges nothing': [
    network('vit_test', 'token_merging_ratio: 0.01'),
    /^\/wrong\.yaml:7: vit_test: token_merging_ratio: 0\.01 of 16 patches/,
  ],
  'a map of merged tokens': [
    network('vit_test', 'token_merging_ratio: 0.5', 'use_cbam: true'),
    /^\/wrong\.yaml:8: vit_test: use_cbam needs the patches as a map, and with token_merging_ratio/,
  ],
  'more learned tokens than patches': [
    network('vit_test', 'token_learner_tokens: 16'),
    /^\/wrong\.yaml:7: vit_test: expected token_learner_tokens between/,
  ],
  'a patch that does not divide the image': [
    network('vit_test', 'patch_size: 7'),
    /^\/wrong\.yaml:7: vit_test: expected an image_size that patch_size 7 divides but got 32/,
  ],
  'an image that the patches do not divide': [
    ['backbone: { name: vit_test }', 'train:', '  image_size: 30'],
    /^\/wrong\.yaml:7: vit_test: expected an image_size that patch_size 8 divides but got 30/,
  ],
  'an option of another network in the section of a phase': [
    [...network('vit_test'), 'train:', '  backbone:', '    name: resnet_test', '    patch_size: 8'],
    /^\/wrong\.yaml:10: resnet_test: unknown option patch_size/,
  ],
  'more stages than there are': [
    [...network('vit_test'), 'train:', '  freeze:', '    stages: 9'],
    /^\/wrong\.yaml:9: train\.freeze\.stages: expected 0 to 3/,
  ],
  'a pattern that covers nothing': [
    [...network('vit_test'), 'train:', '  freeze: { patterns: [blokcs] }'],
    /^\/wrong\.yaml:8: train\.freeze\.patterns: "blokcs" .*"blocks"\?/,
  ],
  'frozen adapters': [
    [...network('vit_test', 'lora_rank: 2'), 'train:', '  freeze: true'],
    /^\/wrong\.yaml:9: train\.freeze: expected adapters that are trained, but it freezes all of them/,
  ],
  'a thaw after the end': [
    [...network('vit_test'), 'train:', '  epochs: 3', '  freeze: { stages: 1, until_epoch: 3 }'],
    /^\/wrong\.yaml:9: train\.freeze\.until_epoch: expected less than the phase’s 3 epochs, got 3/,
  ],
  'adapters of a teacher': [
    [...network('vit_test'), 'distill:', '  teacher_backbone_path: a.pth', '  teacher_backbone:', '    name: vit_test', '    lora_rank: 2'],
    /^\/wrong\.yaml:11: distill\.teacher_backbone\.lora_rank: a teacher is not trained/,
  ],
  'a teacher that cannot be built': [
    [...network('vit_test'), 'distill:', '  teacher_backbone_path: a.pth', '  teacher_backbone: { name: resnet_test, width: 4 }'],
    /^\/wrong\.yaml:9: resnet_test: unknown option width/,
  ],
} // prettier-ignore

describe('an option that a network refuses', () => {
  for (const [title, [lines, message]] of Object.entries(wrong)) {
    it(`is named with file and line: ${title}`, async () => {
      assert.match(await messageOf(lines), message)
    })
  }

  it('is named by the flag that set it', async () => {
    const text = await messageOf(network('resnet_test'), ['backbone.lora_rank=4'])
    assert.match(text, /^--set backbone\.lora_rank=4: resnet_test: lora_rank: LoRA/)
  })

  it('keeps its message where nothing is known of the place', () => {
    const origin = (): null => null
    const error = new ConfigError('odd', { option: ['backbone', 'width'] })
    assert.equal(locateError(error, { origin }), error)
    const other = new Error('odd')
    assert.equal(locateError(other, { origin }), other)
  })
})
