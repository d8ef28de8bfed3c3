import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { torch, type Tensor } from '../../../src/binding/index.ts'
import { createModel } from '../../../src/models/index.ts'
import { layerOf, Optimizer, parameterGroups } from '../../../src/optim/index.ts'

const golden = JSON.parse(readFileSync('tests/golden/adapters.json', 'utf8')) as {
  layers: { name: string; layers: number[]; no_weight_decay: string[] }[]
}

const parameter = (shape: number[]): Tensor =>
  torch.tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1), { shape, requiresGrad: true })

describe('parameterGroups', () => {
  for (const { name, layers, no_weight_decay } of golden.layers) {
    it(`groups ${name} by depth and decays its weights as timm does`, async () => {
      using model = await createModel(name, { numClasses: 7, imageSize: name.includes('dinov2') ? 70 : undefined })
      torch.scope(() => {
        const parameters = model.namedParameters()
        const { depth } = model.native
        const own = [...parameters.keys()].map((key) => layerOf(key, depth.layers))
        assert.deepEqual(own, layers)
        const groups = parameterGroups([{ prefix: 'b', parameters, layers: depth.layers }], {
          weightDecay: 0.05,
          decayNormsAndBiases: false,
          layerDecay: 0.75,
        })
        const undecayed = groups.flatMap((group) => (group.weightDecay === 0 ? [...group.parameters.keys()] : []))
        const oneDimensional = [...parameters].flatMap(([key, { shape }]) => (shape.length <= 1 ? [key] : []))
        assert.deepEqual(
          undecayed.map((key) => key.slice(2)).sort(),
          [...new Set([...oneDimensional, ...no_weight_decay])].sort(),
        )
        // BEiT's and timm's scale: layer_decay^(last − layer), the classifier being the last
        const last = Math.max(...layers)
        const names = [...parameters.keys()]
        for (const { parameters: members, learningRateScale } of groups) {
          for (const key of members.keys())
            assert.equal(learningRateScale, 0.75 ** (last - layers[names.indexOf(key.slice(2))]!), key)
        }
        assert.equal(
          groups.reduce((sum, group) => sum + group.parameters.size, 0),
          names.length,
        )
      })
    })
  }

  it('trains every layer at one rate without a layer decay, decayed ones first', () => {
    torch.scope(() => {
      const parameters = new Map([
        ['a.bias', parameter([2])],
        ['a.weight', parameter([2, 2])],
        ['b.weight', parameter([2, 2])],
      ])
      const part = { prefix: 'x', parameters, layers: [['a'], ['b']], learningRateScale: 0.5 }
      const groups = parameterGroups([part], { weightDecay: 0.1, decayNormsAndBiases: false })
      assert.deepEqual(
        groups.map((group) => [[...group.parameters.keys()], group.learningRateScale, group.weightDecay]),
        [
          [['x.a.weight', 'x.b.weight'], 0.5, 0.1],
          [['x.a.bias'], 0.5, 0],
        ],
      )
      const scaled = parameterGroups([part], { weightDecay: 0.1, decayNormsAndBiases: true, layerDecay: 0.5 })
      assert.deepEqual(
        scaled.map((group) => [[...group.parameters.keys()], group.learningRateScale, group.weightDecay]),
        [
          [['x.a.bias', 'x.a.weight'], 0.125, 0.1],
          [['x.b.weight'], 0.25, 0.1],
        ],
      )
    })
  })

  it('never decays tokens, position embeddings and adapters, and leaves out what is frozen', () => {
    torch.scope(() => {
      const names = ['cls_token', 'pos_embed', 'blocks.0.attn.qkv.lora_A', 'blocks.0.attn.qkv.lora_B', 'mlp.fc2.ia3_l']
      const parameters = new Map(names.map((name) => [name, parameter([2, 2])]))
      parameters.set('my_pos_embedding', parameter([2, 2]))
      parameters.set('frozen.weight', torch.zeros([2, 2]))
      const groups = parameterGroups([{ prefix: 'x', parameters }], { weightDecay: 0.1, decayNormsAndBiases: true })
      assert.deepEqual(
        groups.map((group) => [[...group.parameters.keys()], group.weightDecay]),
        [
          [['x.my_pos_embedding'], 0.1],
          [names.map((name) => `x.${name}`), 0],
        ],
      )
    })
  })
})

describe('Optimizer.inherit', () => {
  const options = { optimizer: 'adamw', momentum: 0.9, nesterov: true, beta1: 0.9, beta2: 0.999 } as const

  it('keeps the state of what both move, whatever its group, and starts the rest afresh', async () => {
    await torch.scope(async () => {
      const [a, b, c] = [parameter([2]), parameter([3]), parameter([4])]
      const first = new Optimizer([{ parameters: new Map([['a', a], ['b', b]]) }], options) // prettier-ignore
      for (const scale of [1, 2]) {
        const loss = torch.ops.add(torch.ops.sum(torch.ops.mul(a, scale)), torch.ops.sum(torch.ops.mul(b, 3)))
        await torch.backward(loss)
        await first.step(0.1)
        await first.zeroGrad()
      }
      const second = new Optimizer(
        [{ parameters: new Map([['c', c]]) }, { parameters: new Map([['b', b], ['a', a]]) }], // prettier-ignore
        options,
      )
      await second.inherit(first)
      const [before, after] = [await first.state(), await second.state()]
      assert.deepEqual(after.get('step')?.toArray(), [0, 2, 2])
      for (const key of ['exp_avg.a', 'exp_avg_sq.a', 'exp_avg.b', 'exp_avg_sq.b'])
        assert.deepEqual(after.get(key)?.toArray(), before.get(key)?.toArray(), key)
      assert.deepEqual(after.get('exp_avg.c')?.toArray(), [0, 0, 0, 0])
      assert.notEqual(after.get('exp_avg.a')?.toArray()[0], 0)
    })
  })
})
