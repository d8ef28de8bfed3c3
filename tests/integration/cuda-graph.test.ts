/** CUDA graphs on a device: draws, accumulation and memory of one graph, and phases whose captured steps have the losses of eager ones. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { NativeModule, NativeOptimizer, StepGraph, torch, type Tensor } from '../../src/binding/index.ts'
import { pipelineConfigSchema, runPipeline, type PhaseName } from '../../src/phases/index.ts'
import { ConfigError } from '../../src/util/errors.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-cuda-graph-'))
after(() => rmSync(root, { recursive: true, force: true }))

const onDevice = { skip: torch.cudaIsAvailable() ? false : 'this LibTorch or machine has no CUDA device' }

test('CUDA graph › without a CUDA device it is an error that says what is missing', () => {
  assert.throws(() => new StepGraph('cpu'), ConfigError)
  if (!torch.cudaIsAvailable()) assert.throws(() => new StepGraph('cuda'), ConfigError)
})

test(
  'CUDA graph › a replay draws what an eager pass with its seed draws, and gradients add up where they are',
  onDevice,
  async () => {
    const device = 'cuda:0'
    const head = await NativeModule.createHead('linear', { in_features: 32, out_features: 5, seed: 1 })
    await head.to(device)
    await torch.scope(async () => {
      const input = torch.tensor(
        Float32Array.from({ length: 64 * 32 }, (_, i) => Math.sin(i)),
        { shape: [64, 32], device },
      )
      const [weight] = [...head.namedParameters().values()]
      assert.ok(weight !== undefined)
      const optimizer = new NativeOptimizer('sgd', [{ parameters: head.namedParameters() }], { momentum: 0 })
      await optimizer.keepGradients(true)
      const pass = async (): Promise<Tensor> => {
        const dropped = torch.call('aten::dropout', input, 0.5, true) as Tensor
        const loss = torch.ops.mean(torch.ops.square(await head.forward(dropped)))
        await torch.backward(loss)
        return loss.detach()
      }
      // Nothing of an eager pass may live on: nodes that add gradients belong to the stream that they were made on.
      const eager = (seed: number): Promise<number[]> =>
        torch.scope(async () => {
          await optimizer.zeroGrad()
          torch.manualSeed(seed)
          return [(await pass()).item(), ...(weight.grad as Tensor).toArray()]
        })
      const close = (got: readonly number[], wanted: readonly number[]): void => {
        assert.equal(got.length, wanted.length)
        got.forEach((value, i) =>
          assert.ok(Math.abs(value - wanted[i]!) <= 1e-6 + 1e-5 * Math.abs(wanted[i]!), `${i}: ${value}`),
        )
      }
      const [first, second] = [await eager(11), await eager(12)]
      assert.notDeepEqual(first, second)

      const graph = new StepGraph(device)
      for (let i = 0; i < 3; i++) await torch.scope(() => graph.warmUp(pass))
      await optimizer.zeroGrad()
      const address = (weight.grad as Tensor).address
      const loss = await graph.capture(pass)
      assert.ok(
        (weight.grad as Tensor).toArray().every((value) => value === 0),
        'a capture runs nothing',
      )
      const replayed = async (seed: number): Promise<number[]> => {
        await optimizer.zeroGrad()
        torch.manualSeed(seed)
        await graph.replay()
        return [loss.item(), ...(weight.grad as Tensor).toArray()]
      }
      close(await replayed(11), first)
      close(await replayed(12), second)
      close(await replayed(11), first)
      const [, ...once] = await replayed(11)
      torch.manualSeed(11)
      await graph.replay()
      close(
        (weight.grad as Tensor).toArray(),
        once.map((value) => 2 * value),
      )
      assert.equal((weight.grad as Tensor).address, address)
      await graph.dispose()
    })
    head.dispose()
  },
)

test('CUDA graph › a pass that fails leaves no capture behind', onDevice, async () => {
  const graph = new StepGraph('cuda:0')
  const failing = async (): Promise<Tensor> => {
    throw new Error('halfway')
  }
  await assert.rejects(graph.capture(failing), /halfway/)
  await torch.scope(async () => {
    const ones = torch.ones([4], { device: 'cuda:0' })
    const again = new StepGraph('cuda:0')
    await again.warmUp(async () => torch.ops.sum(ones))
    const sum = await again.capture(async () => torch.ops.sum(ones))
    await again.replay()
    assert.equal(sum.item(), 4)
    await again.dispose()
  })
})

/** The loss of every step. */
async function losses(name: string, phase: PhaseName, changes: object): Promise<number[]> {
  const told: number[] = []
  const config = pipelineConfigSchema.parse({
    run: { name, directory: root },
    device: 'cuda',
    data: { dataset: 'digits', imageSize: 16 },
    backbone: { name: 'small_cnn', width: 16 },
    [phase]: { steps: 12, batchSize: 64, emaDecay: 0.9, useValidation: false, optimizer: 'sgd', lr: 0.02, ...changes },
  })
  const callbacks = [{ name: 'losses', onStepEnd: ({ loss }: { loss: number }) => void told.push(loss) }]
  await runPipeline(config, { phases: [phase], callbacks })
  return told
}

const cases: [phase: PhaseName, changes: object][] = [
  ['train', {}],
  ['train', { mixMethod: 'cutmix', mixProbability: 0.5, accumulation: 2, sam: true, steps: 10 }],
  ['train', { precision: 'bfloat16', backbone: { name: 'resnet18', cifarStem: true, dropPathRate: 0.2 } }],
  ['train', { precision: 'float16', lookahead: true, gradClip: 1 }],
  ['supcon', {}],
  ['supcon', { sam: true, localCrops: { views: 2, imageSize: 8 } }],
  ['arcface', { useAdaface: true, sam: true }],
  ['distill', { teacher: 'student_ema', featureWeight: 1, mixMethod: 'mixup' }],
]

for (const [at, [phase, changes]] of cases.entries())
  test(
    `CUDA graph › ${phase} ${JSON.stringify(changes)}: captured steps have the losses of eager ones`,
    onDevice,
    async () => {
      const eager = await losses(`eager-${at}`, phase, changes)
      const captured = await losses(`captured-${at}`, phase, { ...changes, compile: true })
      assert.equal(captured.length, eager.length)
      // Sums by atomic additions are rounded in another order each time; the steps carry that on.
      const tolerance = 'precision' in changes ? 2e-2 : 2e-3
      eager.forEach((loss, step) => {
        const got = captured[step] as number
        assert.ok(
          Math.abs(got - loss) <= tolerance * Math.max(1, Math.abs(loss)),
          `step ${step + 1}: ${got}, eager ${loss}`,
        )
      })
    },
  )
