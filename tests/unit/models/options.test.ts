import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { backboneOptionsSchema } from '../../../src/models/index.ts'

describe('backboneOptionsSchema', () => {
  it('has resnet18 with random weights as its default', () => {
    assert.deepEqual(backboneOptionsSchema.parse({}), { name: 'resnet18', pretrained: false })
  })

  it('reads published configurations', () => {
    const { vitModel, ...adapted } = {
      vitModel: 'eva02_base_patch14_224',
      tokenMergingRatio: 0.5,
      tokenLearnerTokens: 8,
      loraRank: 8,
      useIa3: true,
    }
    assert.deepEqual(backboneOptionsSchema.parse({ vitModel, ...adapted }), {
      name: vitModel,
      pretrained: false,
      ...adapted,
    })
  })

  it('takes vitModel or cnnModel in the place of the name, and both as a hybrid', () => {
    const parse = (options: object): object => backboneOptionsSchema.parse(options)
    assert.deepEqual(parse({ vitModel: 'vit_test', cnnModel: null }), { name: 'vit_test', pretrained: false })
    assert.deepEqual(parse({ cnnModel: 'resnet_test' }), { name: 'resnet_test', pretrained: false })
    const both = { vitModel: 'vit_test', cnnModel: 'resnet_test', fusion: 'gate', fusionWidth: 8 }
    const hybrid = { ...both, name: 'hybrid', pretrained: false }
    assert.deepEqual(parse(both), hybrid)
    assert.deepEqual(parse(hybrid), hybrid)
    assert.deepEqual(parse({ name: 'hybrid', vitModel: 'vit_test' }), {
      name: 'hybrid',
      vitModel: 'vit_test',
      pretrained: false,
    })
  })

  it('takes pretrained as true, false, a repository or a file', () => {
    for (const pretrained of [true, false, 'hf:timm/resnet18.a1_in1k@main', 'weights/resnet20.th']) {
      assert.equal(backboneOptionsSchema.parse({ pretrained }).pretrained, pretrained)
    }
    assert.equal(backboneOptionsSchema.safeParse({ pretrained: '' }).success, false)
  })

  it('refuses unknown names, unknown keys and values out of range', () => {
    for (const wrong of [
      { name: 'resnet19' },
      { depth: 3 },
      { width: 0 },
      { patchSize: 1.5 },
      { tokenMergingRatio: 2 },
      { mixstyleP: 1.5 },
      { mixstyleAlpha: 0 },
      { vitModel: 'vit_tst' },
      { fusion: 'sum' },
      { tokenMergingInflection: -2 },
      { dropPathRate: 1 },
    ]) {
      assert.equal(backboneOptionsSchema.safeParse(wrong).success, false, JSON.stringify(wrong))
    }
  })
})
