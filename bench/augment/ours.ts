/**
 * Images a second through an augmentation plan: uint8 batch in, normalised float batch out, draws of its own for each image.
 * Arguments: [32 | 224] [light | full] [threads] [batches]
 *
 * 32 light: random crop (padding 4), flip. 32 full: crop, flip, RandAugment(2, 9), colour jitter, erasing.
 * 224 light: random resized crop, flip. 224 full: that, RandAugment(2, 9), colour jitter, erasing. Pictures are 32 or 256 px.
 */
import { trainingPlan, type AugmentationOptions } from '../../src/augment/index.ts'
import { torch } from '../../src/binding/index.ts'

const side = Number(process.argv[2] ?? 32)
const full = (process.argv[3] ?? 'full') === 'full'
const threads = Number(process.argv[4] ?? 2)
const batches = Number(process.argv[5] ?? 20)
const batch = side === 32 ? 512 : 128
const input = side === 32 ? 32 : 256

const options: AugmentationOptions = {
  ...(side === 32 ? { randomCrop: { padding: 4 } } : { randomResizedCrop: true }),
  horizontalFlip: true,
  ...(full
    ? {
        randaugment: { numOps: 2, magnitude: 9 },
        colorJitter: { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1 },
        randomErasing: { p: 0.25 },
      }
    : {}),
}
const plan = trainingPlan(options, {
  imageSize: side,
  inputHeight: input,
  inputWidth: input,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
  seed: 1,
})

/** Smooth pictures with some noise, as photographs have; the peer makes the same. */
const pixels = new Uint8Array(batch * input * input * 3)
let state = 1
for (let i = 0, at = 0; i < batch; i++)
  for (let y = 0; y < input; y++)
    for (let x = 0; x < input; x++)
      for (let c = 0; c < 3; c++) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0
        const wave = 100 + 60 * Math.sin((x * (c + 1) + i) / 17) + 40 * Math.cos((y + 3 * i) / 11)
        pixels[at++] = Math.max(0, Math.min(255, wave + (state >>> 28) - 8))
      }
const images = torch.tensor(pixels, { shape: [batch, input, input, 3] })
const ids = torch.tensor(BigInt64Array.from({ length: batch }, (_, i) => BigInt(i)))

const milliseconds: number[] = []
let cpu = process.cpuUsage()
for (let i = -3; i < batches; i++) {
  if (i === 0) cpu = process.cpuUsage()
  const start = performance.now()
  const result = await plan.apply(images, ids, { epoch: i + 3, threads })
  if (i >= 0) milliseconds.push((performance.now() - start) / batch)
  result.dispose()
}
const used = process.cpuUsage(cpu)
const cpuMicroseconds = (used.user + used.system) / (batches * batch)
// what each image must at least read and write
const bytes = input * input * 3 + side * side * 3 * 4
process.stdout.write(
  `${JSON.stringify({ milliseconds, cpuMicroseconds, bytes, megabytes: process.resourceUsage().maxRSS / 1024 })}\n`,
)
