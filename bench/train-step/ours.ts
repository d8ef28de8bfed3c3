/** One training step of ResNet-18 (CIFAR stem), 32 px, batch 128, bfloat16, channels-last, SGD. Arguments: [batch] [steps] */
import { NativeModule, NativeOptimizer, torch, type Tensor } from '../../src/binding/index.ts'

const batch = Number(process.argv[2] ?? 128)
const steps = Number(process.argv[3] ?? 10)
torch.setNumThreads(2)
const network = await NativeModule.createBackbone('resnet18', { num_classes: 10, cifar_stem: true })
const optimizer = new NativeOptimizer('sgd', [{ parameters: network.namedParameters(), weightDecay: 5e-4 }], {
  momentum: 0.9,
  nesterov: true,
})
network.train(true)
const images = torch.call('aten::contiguous', torch.ops.randn([batch, 3, 32, 32]), {
  memory_format: 'channels_last',
}) as Tensor
const labels = torch.zeros([batch], { dtype: 'int64' })

const milliseconds: number[] = []
for (let i = -3; i < steps; i++) {
  const start = performance.now()
  await torch.scope(async () => {
    const logits = await torch.autocast('bfloat16', () => network.forward(images))
    const loss = torch.ops.crossEntropyLoss(logits.to('float32'), labels)
    await torch.backward(loss)
    await optimizer.step(0.01)
    await optimizer.zeroGrad()
    loss.item()
  })
  if (i >= 0) milliseconds.push(performance.now() - start)
}
process.stdout.write(`${JSON.stringify({ milliseconds, megabytes: process.resourceUsage().maxRSS / 1024 })}\n`)
