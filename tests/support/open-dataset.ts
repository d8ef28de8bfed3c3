/** Opens a folder of pictures with a cache and prints whether this process built it, and a sum of all pixels. */
import { createHash } from 'node:crypto'
import { dataOptionsSchema, openDataset } from '../../src/data/index.ts'
import { silentLogger } from '../../src/util/logger.ts'

const [directory, cache] = process.argv.slice(2)
let built = false
const options = dataOptionsSchema.parse({ dataset: 'imagefolder', directory, cache, imageSize: 7 })
const { train } = await openDataset(options, {
  seed: 1,
  logger: silentLogger,
  progress: ({ label }) => (built ||= label.startsWith('decoding')),
})
const sum = createHash('sha256')
  .update(await train.read(Array.from(train.labels.keys())))
  .digest('hex')
process.stdout.write(JSON.stringify({ built, sum }))
