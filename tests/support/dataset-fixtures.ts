/** A small data set of each format, made on the spot. Pictures are plain; their grey level tells which. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import sharp from 'sharp'

export async function put(path: string, bytes: Uint8Array | string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, bytes)
}

export async function picture(level: number, width = 12, height = 10, format: 'png' | 'jpeg' = 'png'): Promise<Buffer> {
  const background = { r: level, g: level, b: level }
  return sharp({ create: { width, height, channels: 3, background } })
    .toFormat(format)
    .toBuffer()
}

/** IDX of unsigned bytes. */
export function idx(shape: readonly number[], values: readonly number[]): Buffer {
  const head = Buffer.alloc(4 + 4 * shape.length)
  head.set([0, 0, 8, shape.length])
  shape.forEach((size, at) => head.writeUInt32BE(size, 4 + 4 * at))
  return Buffer.concat([head, Buffer.from(values)])
}

export function tar(
  entries: readonly (readonly [name: string, content: Uint8Array | string, kind?: string])[],
): Buffer {
  const blocks: Buffer[] = []
  for (const [name, content, kind = '0'] of entries) {
    const body = Buffer.from(content as string)
    const head = Buffer.alloc(512)
    head.write(name.slice(0, 100), 0)
    head.write('0000644\0', 100)
    head.write(`${body.length.toString(8).padStart(11, '0')}\0`, 124)
    head.write(' '.repeat(8), 148)
    head.write(kind, 156)
    head.write('ustar\x0000', 257)
    head.write(
      `${head
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, '0')}\0 `,
      148,
    )
    blocks.push(head, body, Buffer.alloc((512 - (body.length % 512)) % 512))
  }
  return Buffer.concat([...blocks, Buffer.alloc(1024)])
}

export const parquetFiles = JSON.parse(
  await readFile(new URL('../golden/data_parquet.json', import.meta.url), 'utf8'),
) as Record<string, string>

const perClass = 5
const classes = ['cat', 'dog']

/** Writes the fixture of a format below `root`; returns the options that open it. */
export const fixtures: Readonly<Record<string, (root: string) => Promise<Record<string, unknown>>>> = {
  digits: async () => ({}),
  async idx(root) {
    for (const [part, count] of [
      ['train', 10],
      ['t10k', 4],
    ] as const) {
      const pixels = Array.from({ length: count * 6 * 6 }, (_, i) => (i * 7) % 256)
      await put(join(root, `${part}-images-idx3-ubyte.gz`), gzipSync(idx([count, 6, 6], pixels)))
      await put(
        join(root, `${part}-labels-idx1-ubyte`),
        idx(
          [count],
          Array.from({ length: count }, (_, i) => i % 2),
        ),
      )
    }
    return {}
  },
  async imagefolder(root) {
    await each(async (name, i, level) => put(join(root, name, `${i}.png`), await picture(level)))
    return {}
  },
  async imagenet(root) {
    await each(async (name, i, level) =>
      put(join(root, 'train', synset(name), `${i}.JPEG`), await picture(level, 12, 10, 'jpeg')),
    )
    const lines = ['ImageId,PredictionString']
    for (let i = 0; i < 4; i++) {
      await put(join(root, 'val', `ILSVRC2012_val_0000000${i}.JPEG`), await picture(100 + i, 12, 10, 'jpeg'))
      lines.push(`ILSVRC2012_val_0000000${i},${synset(classes[i % 2] as string)} 1 2 3 4`)
    }
    await put(join(root, 'LOC_val_solution.csv'), `${lines.join('\n')}\n`)
    return {}
  },
  async manifest(root) {
    const lines = ['path,label,split']
    await each(async (name, i, level) => {
      await put(join(root, 'images', `${name} ${i}, x.png`), await picture(level))
      lines.push(`"images/${name} ${i}, x.png",${name},${i === 0 ? 'test' : 'train'}`)
    })
    await put(join(root, 'list.csv'), lines.join('\r\n'))
    return { manifest: join(root, 'list.csv') }
  },
  async parquet(root) {
    await put(
      join(root, 'data', 'train-00000-of-00001.parquet'),
      Buffer.from(parquetFiles['int64 snappy'] as string, 'base64'),
    )
    await put(
      join(root, 'data', 'test-00000-of-00001.parquet'),
      Buffer.from(parquetFiles['int64 zstd'] as string, 'base64'),
    )
    return { validationFraction: 0 }
  },
  async webdataset(root) {
    const entries: [string, Buffer | string][] = []
    await each(async (name, i, level) => {
      entries.push(
        [`${name}/${i}.jpg`, await picture(level, 12, 10, 'jpeg')],
        [`${name}/${i}.cls`, String(classes.indexOf(name))],
      )
    })
    await put(join(root, 'train-000000.tar'), tar(entries.slice(0, 10)))
    await put(join(root, 'train-000001.tar'), tar(entries.slice(10)))
    await put(join(root, 'classes.txt'), `${classes.join('\n')}\n`)
    return {}
  },
}

function synset(name: string): string {
  return name === 'cat' ? 'n02123045' : 'n02084071'
}

async function each(make: (name: string, i: number, level: number) => Promise<void>): Promise<void> {
  for (const [label, name] of classes.entries())
    for (let i = 0; i < perClass; i++) await make(name, i, 20 + label * 100 + i * 10)
}
