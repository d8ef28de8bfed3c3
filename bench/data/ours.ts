/**
 * A folder of JPEGs as batches of float32 [64, 3, 224, 224]: shorter side to 256, central 224, normalised. Arguments: folder [sharp]
 *
 * `first`: opening with an empty cache (every picture is decoded and kept) and one epoch. `packed`: an epoch from that cache.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { evaluationPlan } from '../../src/augment/index.ts'
import { jpegLibrary } from '../../src/binding/index.ts'
import { Loader, dataOptionsSchema, openDataset, sequentialSampler } from '../../src/data/index.ts'
import { silentLogger } from '../../src/util/logger.ts'

const [directory = 'bench-pictures', decoder = 'auto'] = process.argv.slice(2)
const cache = await mkdtemp(join(tmpdir(), 'trivium-bench-'))
const options = dataOptionsSchema.parse({
  ...{ dataset: 'imagefolder', directory, cache, decoder },
  ...{ imageSize: 224, resizeTo: 256, validationFraction: 0, workers: 2 },
})
try {
  const started = performance.now()
  const { train, mean, std } = await openDataset(options, { seed: 0, logger: silentLogger })
  const plan = evaluationPlan({ imageSize: 224, inputHeight: train.height, inputWidth: train.width, mean, std })
  const loader = new Loader({ dataset: train, sampler: sequentialSampler(train), plan, batchSize: 64 })
  const epoch = async (number: number): Promise<number> => {
    const from = performance.now()
    for await (const batch of loader.epoch(number)) batch.dispose()
    return performance.now() - from
  }
  await epoch(0)
  const first = performance.now() - started
  const packed = [await epoch(1), await epoch(2), await epoch(3)].sort((a, b) => a - b)[1] as number
  const rate = (milliseconds: number): number => Math.round((train.length / milliseconds) * 1000)
  process.stdout.write(JSON.stringify({ jpeg: jpegLibrary(), first: rate(first), packed: rate(packed) }))
} finally {
  await rm(cache, { recursive: true, force: true })
}
