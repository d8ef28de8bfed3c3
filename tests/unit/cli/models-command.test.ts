import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Invocation } from '../../../src/cli/command.ts'
import { modelsCommand } from '../../../src/cli/commands/models.ts'
import { listModels } from '../../../src/models/index.ts'

async function listed(words: string[], json = false): Promise<{ lines: string[]; notes: string[] }> {
  const lines: string[] = []
  const notes: string[] = []
  const output = {
    result: (text: string) => void lines.push(...text.split('\n')),
    note: (text: string) => void notes.push(text),
  }
  const code = await modelsCommand.run({ words, json, output } as unknown as Invocation)
  assert.equal(code, 0)
  return { lines, notes }
}

describe('run-pipeline models', () => {
  it('lists every network with parameters, FLOPs, weights, licence and paper', async () => {
    const { lines } = await listed([])
    assert.equal(lines.length, listModels().length + 1)
    assert.match(lines[0] ?? '', /^name +family +parameters +FLOPs +pixels +weights +licence +paper/)
    const resnet = lines.find((line) => line.startsWith('resnet50 ')) ?? ''
    assert.match(
      resnet,
      /resnet50 +resnet +25\.6 M +4\.09 G +224 +timm\/resnet50\.a1_in1k +Apache-2\.0 +He et al\. 2015/,
    )
  })

  it('keeps those with every word, in name or family; names of other programs point at timm’s', async () => {
    const { lines } = await listed(['swin', 'tiny'])
    assert.deepEqual(
      lines.slice(1).map((line) => line.split(' ')[0]),
      ['swinv2_tiny_window16_256', 'swinv2_tiny_window8_256'],
    )
    for (const [alias, name] of [
      ['dinov2_base14', 'vit_base_patch14_dinov2'],
      ['dinov2_large14', 'vit_large_patch14_dinov2'],
    ] as const) {
      assert.match((await listed([alias])).lines[1] ?? '', new RegExp(`^${alias} = ${name} .* timm/${name}\\.lvd142m`))
    }
    assert.match((await listed(['eva02_base_patch14_224'])).lines[1] ?? '', /^eva02_base_patch14_224 +eva +86\.\d M/)
    assert.match((await listed(['nothing'])).notes[0] ?? '', /no backbone contains "nothing"/)
  })

  it('gives the preprocessing as JSON', async () => {
    const { lines } = await listed(['convnextv2_tiny'], true)
    const { models } = JSON.parse(lines.join('\n')) as { models: ReturnType<typeof listModels> }
    assert.deepEqual(models[0]?.preprocessing, {
      ...{ imageSize: 224, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
      ...{ interpolation: 'bicubic', cropFraction: 0.875 },
    })
  })

  it('names paper and licence of all weights that it offers', () => {
    for (const { name, weights, license, paper } of listModels()) {
      assert.ok(paper !== '', name)
      assert.equal(license !== '', weights !== '', name)
    }
  })
})
