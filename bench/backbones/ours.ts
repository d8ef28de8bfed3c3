/**
 * A training step (forward, cross-entropy, backward, AdamW), the same with SAM, or an inference batch of one backbone.
 * Arguments: train|sam|infer NAME IMAGE_SIZE BATCH float32|bfloat16 [STEPS]
 * DATA=1 in the environment makes each training batch anew from pictures in memory: crop after padding by an eighth, flip, normalise.
 */
import { trainingPlan } from '../../src/augment/index.ts'
import { NativeModule, NativeOptimizer, torch, type Tensor } from '../../src/binding/index.ts'

const [mode = 'train', name = 'resnet18', size = '32', batch = '32', precision = 'float32', steps = '10'] =
  process.argv.slice(2)
torch.setNumThreads(Number(process.env.THREADS ?? 2))
const options = size === '32' && name.startsWith('resnet') ? { cifar_stem: true } : {}
const network = await NativeModule.createBackbone(name, { num_classes: 10, image_size: Number(size), ...options })
const side = Number(size)
const fixed = torch.call('aten::contiguous', torch.ops.randn([Number(batch), 3, side, side]), {
  memory_format: 'channels_last',
}) as Tensor
const pictures = torch.tensor(
  Uint8Array.from({ length: Number(batch) * side * side * 3 }, (_, i) => Math.imul(i, 2654435761) >>> 24),
  { shape: [Number(batch), side, side, 3] },
)
const ids = torch.tensor(BigInt64Array.from({ length: Number(batch) }, (_, i) => BigInt(i)))
const plan = trainingPlan(
  { randomCrop: { padding: side >> 3 }, horizontalFlip: true },
  {
    imageSize: side,
    inputHeight: side,
    inputWidth: side,
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
    seed: 1,
  },
)
let epoch = 0
const makeBatch = async (): Promise<Tensor> =>
  process.env.DATA === '1' ? plan.apply(pictures, ids, { epoch: epoch++, threads: torch.getNumThreads() }) : fixed
const labels = torch.zeros([Number(batch)], { dtype: 'int64' })
const optimizer = new NativeOptimizer('adamw', [{ parameters: network.namedParameters(), weightDecay: 0.05 }], {})
const forward = (images: Tensor): Promise<Tensor> =>
  torch.autocast(precision === 'bfloat16' ? 'bfloat16' : null, () => network.forward(images))

async function pass(images: Tensor): Promise<Tensor> {
  const loss = torch.ops.crossEntropyLoss((await forward(images)).to('float32'), labels)
  await torch.backward(loss)
  return loss
}

async function train(): Promise<void> {
  const loss = await pass(await makeBatch())
  await optimizer.update({ learningRate: 0.001 })
  loss.item()
}

async function sam(): Promise<void> {
  const images = await makeBatch()
  const loss = await pass(images)
  await optimizer.ascend({ rho: 0.05, adaptive: false, eta: 0, gradientScale: 1 })
  await pass(images)
  await optimizer.update({ learningRate: 0.001 })
  loss.item()
}

async function infer(): Promise<void> {
  const logits = await torch.noGrad(() => forward(fixed))
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
