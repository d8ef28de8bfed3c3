import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { torch } from '../../../src/binding/index.ts'
import { preparationOf, saveSafetensors } from '../../../src/models/index.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-preparation-'))
after(() => rmSync(root, { recursive: true }))

describe('preparationOf', () => {
  it('is nobody’s without weights, and the registry’s with published ones, whatever the alias', async () => {
    assert.equal(await preparationOf('resnet50', false), null)
    const { resizeTo, ...rest } = (await preparationOf('resnet50', true)) ?? assert.fail()
    assert.deepEqual(rest, {
      imageSize: 224,
      interpolation: 'bicubic',
      mean: [0.485, 0.456, 0.406],
      std: [0.229, 0.224, 0.225],
    })
    assert.deepEqual([resizeTo(224), resizeTo(160)], [235, 168]) // ⌊224 / 0.95⌋, ⌊160 / 0.95⌋
    const alias = (await preparationOf('dinov2_base14', 'hf:timm/vit_base_patch14_dinov2.lvd142m')) ?? assert.fail()
    assert.deepEqual([alias.imageSize, alias.resizeTo(518), alias.resizeTo(224)], [518, 518, 224])
  })

  it('of a file of ours is what the file says, of another one the registry’s', async () => {
    const path = join(root, 'own.safetensors')
    const trivium = JSON.stringify({ imageSize: 32, resizeTo: 36, mean: [0.1, 0.2, 0.3], std: [0.5, 0.5, 0.5] })
    await torch.scope(() => saveSafetensors(path, new Map([['x', torch.zeros([1])]]), { trivium }))
    const own = (await preparationOf('resnet18', path)) ?? assert.fail()
    assert.deepEqual([own.imageSize, own.resizeTo(32), own.resizeTo(64)], [32, 36, 72])
    assert.deepEqual([own.interpolation, own.mean[2]], ['bilinear', 0.3])
    for (const [name, bytes] of [
      ['short.pth', 'x'],
      ['other.pth', '\x80\x02 not a header of ours'],
    ] as const) {
      writeFileSync(join(root, name), bytes)
      assert.equal((await preparationOf('resnet18', join(root, name)))?.interpolation, 'bicubic')
    }
    assert.equal((await preparationOf('resnet18', join(root, 'missing.pth')))?.interpolation, 'bicubic')
  })
})
