/**
 * A training step (forward, cross-entropy, backward, AdamW), the same with SAM, or an inference batch of one backbone.
 * Arguments: train|sam|infer NAME IMAGE_SIZE BATCH float32|bfloat16 [STEPS]
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

async function pass(): Promise<Tensor> {
  const loss = torch.ops.crossEntropyLoss((await forward()).to('float32'), labels)
  await torch.backward(loss)
  return loss
}

async function train(): Promise<void> {
  const loss = await pass()
  await optimizer.update({ learningRate: 0.001 })
  loss.item()
}

async function sam(): Promise<void> {
  const loss = await pass()
  await optimizer.ascend({ rho: 0.05, adaptive: false, eta: 0, gradientScale: 1 })
  await pass()
  await optimizer.update({ learningRate: 0.001 })
  loss.item()
}

async function infer(): Promise<void> {
  const logits = await torch.noGrad(forward)
  logits.data()
}

network.train(mode !== 'infer')
const step = mode === 'train' ? train : mode === 'sam' ? sam : infer
const milliseconds: number[] = []
const cpuMilliseconds: number[] = []
for (let i = -3; i < Number(steps); i++) {
  const [start, cpu] = [performance.now(), process.cpuUsage()]
  await torch.scope(step)
  const { user, system } = process.cpuUsage(cpu)
  if (i < 0) continue
  milliseconds.push(performance.now() - start)
  cpuMilliseconds.push((user + system) / 1000)
}
const megabytes = process.resourceUsage().maxRSS / 1024
process.stdout.write(`${JSON.stringify({ milliseconds, cpuMilliseconds, megabytes })}\n`)
