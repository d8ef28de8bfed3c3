/**
 * A folder of JPEGs as batches of float32 [64, 3, 224, 224]: shorter side to 256, central 224, normalised. Arguments: folder [sharp]
 *
 * `decoded`: an epoch that decodes and keeps nothing, which is what the peers do. `first`: opening with an empty cache (every picture is
 * decoded and kept) and one epoch. `packed`: an epoch from that cache. Pictures a second; `cpu_…`: milliseconds of processor time a picture.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { evaluationPlan } from '../../src/augment/index.ts'
import { jpegLibrary } from '../../src/binding/index.ts'
import { Loader, dataOptionsSchema, openDataset, sequentialSampler } from '../../src/data/index.ts'
import { silentLogger } from '../../src/util/logger.ts'

const [directory = 'bench-pictures', decoder = 'auto'] = process.argv.slice(2)
const folder = await mkdtemp(join(tmpdir(), 'trivium-bench-'))

async function opened(cache: string): Promise<() => Promise<number>> {
  const options = dataOptionsSchema.parse({
    ...{ dataset: 'imagefolder', directory, cache, decoder, cacheMegabytes: 0 },
    ...{ imageSize: 224, resizeTo: 256, validationFraction: 0, workers: 2 },
  })
  const { train, mean, std } = await openDataset(options, { seed: 0, logger: silentLogger })
  const plan = evaluationPlan({ imageSize: 224, inputHeight: train.height, inputWidth: train.width, mean, std })
  const loader = new Loader({ dataset: train, sampler: sequentialSampler(train), plan, batchSize: 64 })
  let number = 0
  return async () => {
    for await (const batch of loader.epoch(number++)) batch.dispose()
    return train.length
  }
}

async function measured(work: () => Promise<number>): Promise<{ rate: number; cpu: number }> {
  const [started, before] = [performance.now(), process.cpuUsage()]
  const pictures = await work()
  const { user, system } = process.cpuUsage(before)
  return {
    rate: Math.round((pictures / (performance.now() - started)) * 1000),
    cpu: Number(((user + system) / 1000 / pictures).toFixed(3)),
  }
}

try {
  const epoch = await opened('off')
  await epoch() // files into the system's memory, code compiled: the peers' first epoch is not measured either
  const decoded = await measured(epoch)
  let packedEpoch = epoch
  const first = await measured(async () => {
    packedEpoch = await opened(folder)
    return packedEpoch()
  })
  const packed = []
  for (let round = 0; round < 3; round++) packed.push(await measured(packedEpoch))
  const middle = packed.sort((a, b) => a.rate - b.rate)[1] ?? first
  process.stdout.write(
    JSON.stringify({
      ...{ jpeg: jpegLibrary(), decoded: decoded.rate, first: first.rate, packed: middle.rate },
      ...{ cpu_decoded: decoded.cpu, cpu_first: first.cpu, cpu_packed: middle.cpu },
    }),
  )
} finally {
  await rm(folder, { recursive: true, force: true })
}
