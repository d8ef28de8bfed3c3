import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { torch } from '../../../src/binding/index.ts'
import type { Tensor } from '../../../src/binding/index.ts'
import { createModel, saveSafetensors } from '../../../src/models/index.ts'
import { timmNames } from '../../../src/models/checkpoint/original-names.ts'
import { resamplePatches } from '../../../src/models/positions.ts'
import { SnapshotError } from '../../../src/util/errors.ts'
import type { Logger } from '../../../src/util/logger.ts'
import { silentLogger } from '../../../src/util/logger.ts'

type Shapes = Readonly<Record<string, readonly number[]>>
interface Case {
  readonly name: string
  readonly family: string
  readonly given: Shapes
  readonly own: Shapes
  readonly expected: Readonly<Record<string, { shape: readonly number[]; product: number }>>
}
const golden = JSON.parse(readFileSync(new URL('../../golden/original_names.json', import.meta.url), 'utf8')) as {
  cases: Case[]
  patches: { size: number; expected: number[] }[]
}

const size = (shape: readonly number[]): number => shape.reduce((product, side) => product * side, 1)

/** As tests/golden/original_names.py fills them. */
function filled(shapes: Shapes): Map<string, Tensor> {
  return new Map(
    Object.entries(shapes).map(([name, shape], i) => {
      const values = Float32Array.from({ length: size(shape) }, (_, j) => Math.sin(0.37 * j + i))
      return [name, torch.tensor(values, { shape })]
    }),
  )
}

function product(tensor: Tensor): number {
  return Array.from(tensor.to('float64').data() as Float64Array).reduce((sum, value, j) => sum + value * Math.cos(j), 0)
}

describe('names of the authors’ programs', () => {
  for (const { name, family, given, own, expected } of golden.cases) {
    it(`become what timm’s filter makes of them: ${name}`, () =>
      torch.scope(() => {
        const { state, left } = timmNames(family, filled(given), filled(own))
        assert.deepEqual([...state.keys()].sort(), Object.keys(expected).sort())
        for (const [key, tensor] of state) {
          assert.deepEqual(tensor.shape, expected[key]?.shape, key)
          assert.ok(Math.abs(product(tensor) - (expected[key]?.product ?? NaN)) < 2e-4, key)
        }
        for (const dropped of left) assert.ok(dropped in given, dropped)
      }))
  }

  it('of timm stay, in every family', async () => {
    for (const [name, family] of [
      ['convnext_test', 'convnext'],
      ['swinv2_test', 'swin_v2'],
      ['vit_test', 'vit'],
      ['dinov2_swiglu_test', 'dinov2'],
      ['dinov3_test', 'dinov3'],
      ['eva02_test', 'eva'],
      ['resnet_test', 'resnet'],
    ] as const) {
      using model = await createModel(name, { numClasses: 3 })
      torch.scope(() => {
        const own = model.stateDict()
        const { state, left, renamed } = timmNames(family, own, own)
        assert.deepEqual([[...state.keys()], left, renamed], [[...own.keys()], [], false], name)
      })
    }
  })

  it('FCMAE’s sparse convolutions become dense', () =>
    torch.scope(() => {
      // Tap t of the kernel lies at column ⌊t / 7⌋, row t mod 7: MinkowskiEngine counts down the columns.
      const taps = torch.tensor(
        Float32Array.from({ length: 49 * 2 }, (_, i) => i),
        { shape: [49, 2] },
      )
      const bias = torch.tensor([1, 2], { shape: [1, 2] })
      const given = new Map([
        ['encoder.stages.0.0.dwconv.kernel', taps],
        ['encoder.stages.0.0.dwconv.bias', bias],
        ['encoder.stages.0.0.norm.ln.weight', torch.tensor([3, 4])],
        ['encoder.stages.0.0.pwconv1.linear.weight', torch.zeros([8, 2])],
        ['mask_token', torch.zeros([1, 2, 1, 1])],
        ['decoder.0.dwconv.weight', torch.zeros([2, 1, 7, 7])],
      ])
      const { state, left } = timmNames('convnext', given, new Map())
      assert.deepEqual(left, ['mask_token', 'decoder.0.dwconv.weight'])
      const block = 'stages.0.blocks.0'
      assert.deepEqual(
        [...state.keys()],
        [`${block}.conv_dw.weight`, `${block}.conv_dw.bias`, `${block}.norm.weight`, `${block}.mlp.fc1.weight`],
      )
      const dense = state.get(`${block}.conv_dw.weight`) ?? assert.fail()
      assert.deepEqual(dense.shape, [2, 1, 7, 7])
      const values = dense.toArray()
      assert.equal(values[1 * 49 + 3 * 7 + 5], (5 * 7 + 3) * 2 + 1) // channel 1, row 3, column 5
      assert.deepEqual(state.get(`${block}.conv_dw.bias`)?.shape, [2])
    }))
})

describe('patch embeddings', () => {
  it('of another patch size are resampled as timm does', () =>
    torch.scope(() => {
      const kernel = filled({ kernel: [2, 3, 14, 14] }).get('kernel') ?? assert.fail()
      for (const { size: side, expected } of golden.patches) {
        const values = resamplePatches(kernel, side).toArray()
        expected.forEach((value, i) => assert.ok(Math.abs((values[7 * i] as number) - value) < 1e-4, `${side}: ${i}`))
      }
    }))
})

describe('an author’s file', () => {
  const root = mkdtempSync(join(tmpdir(), 'trivium-original-'))
  after(() => rmSync(root, { recursive: true }))
  const heard: string[] = []
  const logger: Logger = {
    ...silentLogger,
    info: (message: string) => void heard.push(message),
    warn: (message: string) => void heard.push(`warning: ${message}`),
  }
  const path = join(root, 'convnextv2.safetensors')

  /** From timm's names to the authors', for the tiny ConvNeXt-V2. */
  const authors = (name: string): string =>
    name
      .replace(/^stem\./, 'downsample_layers.0.')
      .replace(/^stages\.(\d+)\.downsample/, 'downsample_layers.$1')
      .replace('.blocks.', '.')
      .replace('conv_dw', 'dwconv')
      .replace('mlp.fc', 'pwconv')
      .replace('mlp.grn.weight', 'grn.gamma')
      .replace('mlp.grn.bias', 'grn.beta')
      .replace('head.norm', 'norm')
      .replace('head.fc', 'head')

  const save = (state: ReadonlyMap<string, Tensor>): Promise<void> =>
    saveSafetensors(path, new Map([...state].map(([name, tensor]) => [authors(name), tensor])))

  it('loads with its classifier, or without one beside a fresh head', async () => {
    using original = await createModel('convnextv2_test', { numClasses: 3, seed: 1 })
    await torch.scope(() => save(original.stateDict()))
    using model = await createModel('convnextv2_test', { numClasses: 3, seed: 2, pretrained: path, logger })
    torch.scope(() => {
      const own = model.stateDict()
      for (const [name, tensor] of original.stateDict())
        assert.deepEqual(own.get(name)?.toArray(), tensor.toArray(), name)
    })
    assert.match(heard.join('\n'), /named as in the authors' program, and read under timm's names/)
    heard.length = 0
    await torch.scope(() => save(new Map([...original.stateDict()].filter(([name]) => !name.startsWith('head.')))))
    using headless = await createModel('convnextv2_test', { numClasses: 3, seed: 2, pretrained: path, logger })
    assert.match(heard.join('\n'), /warning: .*it has no head\.norm\.weight, head\.norm\.bias; they start afresh/)
    assert.equal(headless.numFeatures, original.numFeatures)
  })

  it('with other surplus names is refused, and they are named', async () => {
    using original = await createModel('convnextv2_test', { numClasses: 3, seed: 1 })
    await torch.scope(() => save(new Map([...original.stateDict(), ['stages.9.extra', torch.zeros([1])]])))
    await assert.rejects(createModel('convnextv2_test', { numClasses: 3, pretrained: path }), (error: unknown) => {
      assert.ok(error instanceof SnapshotError)
      assert.match(error.message, /stages\.9\.extra/)
      return true
    })
  })

  it('of another patch size gives a network of the asked one', async () => {
    const file = join(root, 'vit.safetensors')
    using original = await createModel('vit_test', { numClasses: 0, seed: 1, imageSize: 32, patchSize: 8 })
    await torch.scope(() => saveSafetensors(file, original.stateDict()))
    using model = await createModel('vit_test', {
      numClasses: 0,
      imageSize: 32,
      patchSize: 4,
      pretrained: file,
      logger,
    })
    torch.scope(() => {
      const kernel = original.stateDict().get('patch_embed.proj.weight') ?? assert.fail()
      assert.deepEqual(
        model.stateDict().get('patch_embed.proj.weight')?.toArray(),
        resamplePatches(kernel, 4).toArray(),
      )
    })
    assert.match(heard.join('\n'), /patch embedding resampled from 8 to 4 px/)
  })
})
