import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { backboneOptionsSchema, unavailableBackbone } from '../../../src/models/index.ts'
import { findUnavailable } from '../../../src/util/unavailable.ts'

const waiting = (options: unknown): string[] =>
  findUnavailable(backboneOptionsSchema.parse(options), unavailableBackbone).map(({ key }) => key)

describe('backboneOptionsSchema', () => {
  it('has resnet18 with random weights as its default', () => {
    assert.deepEqual(backboneOptionsSchema.parse({}), { name: 'resnet18', pretrained: false })
  })

  it('reads published configurations and lists what cannot act yet', () => {
    const keys = ['vitModel']
    const published = {
      vitModel: 'eva02_base_patch14_224',
      tokenMergingRatio: 0.5,
      tokenLearnerTokens: 8,
      loraRank: 8,
      useIa3: true,
    }
    assert.deepEqual(waiting(published), keys)
  })

  it('does not mind options that are switched off', () => {
    assert.deepEqual(waiting({ loraRank: 0, useIa3: false, vitModel: null, tokenMergingRatio: 0 }), [])
  })

  it('takes pretrained as true, false, a repository or a file', () => {
    for (const pretrained of [true, false, 'hf:timm/resnet18.a1_in1k@main', 'weights/resnet20.th']) {
      assert.equal(backboneOptionsSchema.parse({ pretrained }).pretrained, pretrained)
      assert.deepEqual(waiting({ pretrained }), [])
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
      { tokenMergingInflection: -2 },
      { dropPathRate: 1 },
    ]) {
      assert.equal(backboneOptionsSchema.safeParse(wrong).success, false, JSON.stringify(wrong))
    }
  })

  it('lists as unavailable only keys that the schema accepts', () => {
    for (const { key } of unavailableBackbone) {
      const accepted = [true, 1, 0.5, 'x'].some((value) => backboneOptionsSchema.safeParse({ [key]: value }).success)
      assert.ok(accepted, key)
    }
  })
})
