/** Writes a folder of generated JPEGs, 500 × 375 and about 35 KB each: smooth shapes with noise. Arguments: folder [pictures] */
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import sharp from 'sharp'

const [folder = 'bench-pictures', count = '2000'] = process.argv.slice(2)
const [width, height] = [500, 375]
let bytes = 0

async function picture(seed: number): Promise<Buffer> {
  let state = seed * 7919 + 1
  const random = (): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32
  const waves = Array.from({ length: 9 }, () => ({
    x: (random() - 0.5) * 0.12,
    y: (random() - 0.5) * 0.12,
    phase: random() * 6,
    level: random() * 40,
    channel: Math.floor(random() * 3),
  }))
  const pixels = new Uint8Array(width * height * 3)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const grain = (random() - 0.5) * 26
      const rgb = [120 + grain, 120 + grain, 120 + grain]
      for (const wave of waves) rgb[wave.channel]! += Math.sin(wave.x * x + wave.y * y + wave.phase) * wave.level
      for (let c = 0; c < 3; c++) pixels[(y * width + x) * 3 + c] = Math.max(0, Math.min(255, rgb[c]!))
    }
  }
  return sharp(pixels, { raw: { width, height, channels: 3 } }).jpeg({ quality: 75 }).toBuffer()
}

for (let i = 0; i < Number(count) + 8; i++) {
  // Eight pictures more for the test part, which a data set must have.
  const part = i < Number(count) ? 'train' : 'test'
  const path = join(folder, part, `class-${i % 4}`, `${i}.jpg`)
  if (existsSync(path)) continue
  const file = await picture(i)
  bytes += file.length
  await mkdir(join(path, '..'), { recursive: true })
  await writeFile(path, file)
  if (i === 9) process.stderr.write(`${Math.round(bytes / 10 / 1000)} KB a picture\n`)
}
