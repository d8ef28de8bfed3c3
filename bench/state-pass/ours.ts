/**
 * What follows a backward pass, on the parameters of a ViT-B/16 (86.6 million): clip by the global norm, AdamW, weight average, gradients to
 * none. Gradients are filled anew before each pass, outside the clock. Beside the milliseconds: the rate of a copy in the same process, and
 * the bytes that the pass cannot do without over its time. Arguments: [STEPS] [adamw|sam]; sam: SAM's ascent alone.
 */
import { emaUpdate, NativeAverage, NativeModule, NativeOptimizer, torch, type Tensor } from '../../src/binding/index.ts'

const [steps = '10', mode = 'adamw'] = process.argv.slice(2)
torch.setNumThreads(Number(process.env.THREADS ?? 2))
const network = await NativeModule.createBackbone('vit_base_patch16_224', { num_classes: 1000, image_size: 224 })
const shadow = await NativeModule.createBackbone('vit_base_patch16_224', { num_classes: 1000, image_size: 224 })
const parameters = [...network.namedParameters()]
const decays = (tensor: Tensor): boolean => tensor.shape.length > 1
const groups = [true, false].map((decayed) => ({
  parameters: new Map(parameters.filter(([, tensor]) => decays(tensor) === decayed)),
  weightDecay: decayed ? 0.05 : 0,
}))
const optimizer = new NativeOptimizer('adamw', groups, {})
const average = new NativeAverage([...shadow.namedParameters().values()], [...network.namedParameters().values()])
const count = parameters.reduce((sum, [, { shape }]) => sum + shape.reduce((product, side) => product * side, 1), 0)
const noise = parameters.map(([, { shape }]) => torch.ops.mul(torch.ops.randn(shape), 1e-2))

/** A backward pass whose gradients are the noise. */
async function fill(): Promise<void> {
  await torch.scope(async () => {
    const products = parameters.map(([, tensor], i) => torch.ops.sum(torch.ops.mul(tensor, noise[i] as Tensor)))
    await torch.backward(torch.ops.sum(torch.ops.stack(products)))
  })
}

const milliseconds: number[] = []
const cpuMilliseconds: number[] = []
for (let i = -3; i < Number(steps); i++) {
  await fill()
  const [start, cpu] = [performance.now(), process.cpuUsage()]
  if (mode === 'sam') await optimizer.ascend({ rho: 0.05, adaptive: false, eta: 0, gradientScale: 1 })
  else await optimizer.update({ learningRate: 1e-3, clip: 'norm', clipLimit: 1, average, averageDecay: 0.999 })
  const passed = performance.now() - start
  const { user, system } = process.cpuUsage(cpu)
  if (mode === 'sam') await optimizer.descend()
  if (i < 0) continue
  milliseconds.push(passed)
  cpuMilliseconds.push((user + system) / 1000)
}

/** Milliseconds of a copy of 256 MiB, by the clock and of the processor: the best of ten. */
async function copyTimes(): Promise<[wall: number, cpu: number]> {
  const [from, to] = [torch.zeros([2 ** 26]), torch.zeros([2 ** 26])]
  const times: [number, number] = [Infinity, Infinity]
  for (let i = 0; i < 10; i++) {
    const [start, used] = [performance.now(), process.cpuUsage()]
    await emaUpdate([to], [from], 0)
    const { user, system } = process.cpuUsage(used)
    times[0] = Math.min(times[0], performance.now() - start)
    times[1] = Math.min(times[1], (user + system) / 1000)
  }
  return times
}

const median = (list: readonly number[]): number => list.toSorted((a, b) => a - b)[list.length >> 1] ?? NaN
const gigabytes = (bytes: number, times: readonly number[]): string =>
  `${times.map((time) => (bytes / time / 1e6).toFixed(1)).join(' and ')} GB/s`

// adamw: the norm reads g; the pass reads and writes w, m, v, average, and reads g. sam: the norm reads g; w is read, kept and written, g read.
const bytes = count * (mode === 'sam' ? 4 + 16 : 4 + 36)
const pass = gigabytes(bytes, [median(milliseconds), median(cpuMilliseconds)])
const note = `by the clock and by processor time: copy ${gigabytes(2 ** 29, await copyTimes())}, pass ${pass}`
const megabytes = process.resourceUsage().maxRSS / 1024
process.stdout.write(`${JSON.stringify({ milliseconds, cpuMilliseconds, megabytes, note })}\n`)
