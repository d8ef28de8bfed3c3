/** The same with sharp alone: shrinks while it decodes, four pictures at a time, then float32. Arguments: folder */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'

const [directory = 'bench-pictures'] = process.argv.slice(2)
const folder = join(directory, 'train')
const files = readdirSync(folder, { recursive: true }).map(String).filter((name) => name.endsWith('.jpg'))
const [mean, std] = [
  [0.485, 0.456, 0.406],
  [0.229, 0.224, 0.225],
]
sharp.cache(false)
sharp.concurrency(1)
const [started, before] = [performance.now(), process.cpuUsage()]
let next = 0
async function work(): Promise<void> {
  while (next < files.length) {
    const pixels = await sharp(join(folder, files[next++] as string)).resize(224, 224, { fit: 'cover' }).raw().toBuffer()
    const out = new Float32Array(pixels.length)
    for (let i = 0; i < pixels.length; i++) out[i] = (pixels[i]! / 255 - mean[i % 3]!) / std[i % 3]!
  }
}
await Promise.all([work(), work(), work(), work()])
const { user, system } = process.cpuUsage(before)
const first = Math.round((files.length / (performance.now() - started)) * 1000)
process.stdout.write(JSON.stringify({ first, cpu_first: Number(((user + system) / 1000 / files.length).toFixed(3)) }))
