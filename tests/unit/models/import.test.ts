import assert from 'node:assert/strict'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { torch } from '../../../src/binding/index.ts'
import { runCommandLine } from '../../../src/cli/app.ts'
import { createModel, importWeights, loadWeights, saveSafetensors } from '../../../src/models/index.ts'
import { SnapshotError } from '../../../src/util/errors.ts'

const folder = mkdtempSync(join(tmpdir(), 'trivium-import-'))
const target = (name: string): string => join(folder, name)

async function checkpoint(name: string, numClasses: number): Promise<number[]> {
  using model = await createModel('vit_test', { numClasses, seed: 3 })
  model.eval()
  const side = model.preprocessing.imageSize
  const values = Float32Array.from({ length: 3 * side * side }, (_, i) => Math.sin(0.37 * i))
  return await torch.noGrad(() =>
    torch.scope(async () => {
      await saveSafetensors(target(name), model.stateDict())
      return (await model.forward(torch.tensor(values, { shape: [1, 3, side, side] }))).toArray()
    }),
  )
}

describe('importWeights', () => {
  for (const numClasses of [5, 0]) {
    it(`writes timm’s names, and answers the probe as the network did, with ${numClasses} classes`, async () => {
      const expected = await checkpoint(`given-${numClasses}`, numClasses)
      const before = torch.liveTensors()
      const output = target(`written-${numClasses}.safetensors`)
      const imported = await importWeights('vit_test', target(`given-${numClasses}`), output)
      assert.equal(imported.numClasses, numClasses)
      assert.deepEqual(imported.probe, expected)
      assert.equal(torch.liveTensors(), before)
      await torch.scope(async () => {
        const names = [...(await loadWeights(output)).keys()]
        assert.ok(names.includes('blocks.0.attn.qkv.weight') && names.includes('head.weight') === numClasses > 0)
      })
    })
  }

  it('writes nothing when the weights are another network’s', async () => {
    await checkpoint('other', 5)
    await assert.rejects(importWeights('resnet_test', target('other'), target('never')), SnapshotError)
    await assert.rejects(loadWeights(target('never')), /there is no such file/)
  })

  it('is a command that keeps a file which is there', async () => {
    await checkpoint('command', 2)
    const words = ['import-weights', 'vit_test', target('command'), '-o', target('out.safetensors'), '--quiet']
    assert.equal(await runCommandLine(words), 0)
    assert.notEqual(await runCommandLine(words), 0)
    assert.equal(await runCommandLine([...words, '--force']), 0)
    assert.notEqual(await runCommandLine(['import-weights', 'vit_test']), 0)
  })
})
