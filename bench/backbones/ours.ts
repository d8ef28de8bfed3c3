/**
 * A training step (forward, cross-entropy, backward, AdamW) or an inference batch of one backbone.
 * Arguments: train|infer NAME IMAGE_SIZE BATCH float32|bfloat16 [STEPS]
 */
import { NativeModule, NativeOptimizer, torch, type Tensor } from '../../src/binding/index.ts'

const [mode = 'train', name = 'resnet18', size = '32', batch = '32', precision = 'float32', steps = '10'] =
  process.argv.slice(2)
torch.setNumThreads(Number(process.env.THREADS ?? 2))
const options = size === '32' && name.startsWith('resnet') ? { cifar_stem: true } : {}
const network = await NativeModule.createBackbone(name, { num_classes: 10, image_size: Number(size), ...options })
const images = torch.call('aten::contiguous', torch.ops.randn([Number(batch), 3, Number(size), Number(size)]), {
  memory_format: 'channels_last',
}) as Tensor
const labels = torch.zeros([Number(batch)], { dtype: 'int64' })
const optimizer = new NativeOptimizer('adamw', [{ parameters: network.namedParameters(), weightDecay: 0.05 }], {})
const forward = (): Promise<Tensor> =>
  torch.autocast(precision === 'bfloat16' ? 'bfloat16' : null, () => network.forward(images))

async function train(): Promise<void> {
  const loss = torch.ops.crossEntropyLoss((await forward()).to('float32'), labels)
  await torch.backward(loss)
  await optimizer.step(0.001)
  await optimizer.zeroGrad()
  loss.item()
}

async function infer(): Promise<void> {
  const logits = await torch.noGrad(forward)
  logits.data()
}

network.train(mode === 'train')
const milliseconds: number[] = []
for (let i = -3; i < Number(steps); i++) {
  const start = performance.now()
  await torch.scope(mode === 'train' ? train : infer)
  if (i >= 0) milliseconds.push(performance.now() - start)
}
process.stdout.write(`${JSON.stringify({ milliseconds, megabytes: process.resourceUsage().maxRSS / 1024 })}\n`)
