/** Classes and confidences of new images, from the stored model, into eval_results/<run>/new_images.csv. */
import { existsSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { loadImage } from '../../data/index.ts'
import { openPredictor } from '../../predict/index.ts'
import { csvLine } from '../../util/csv.ts'
import { ConfigError } from '../../util/errors.ts'
import { writeFileAtomic } from '../../util/files.ts'
import type { Stage, StageContext } from '../orchestrator.ts'

const dropFolder = 'inference_images'
const imageName = /\.(jpe?g|png|webp|gif|tiff?|avif)$/i

/** Pictures decoded and predicted together. */
const together = 32

export class PredictionStage implements Stage {
  readonly name: string = 'prediction'

  /** Does nothing when no images are configured and there is no folder `inference_images`. */
  async run(context: StageContext): Promise<void> {
    const { config, run, logger, signal, files } = context
    const source = config.predict.images ?? (existsSync(dropFolder) ? dropFolder : null)
    if (source === null)
      return logger.info(`prediction: no images; set predict.images, or put some into ${dropFolder}/`)
    const images = await imagesIn(source)
    const predictor = await openPredictor(run.snapshots)
    try {
      const { imageSize, preprocessing } = predictor
      const { resizeTo, interpolation } = preprocessing
      const options = { resizeTo, cropTo: imageSize, interpolation, maxPixels: config.data.maxPixels }
      let table = csvLine(['file', 'class', 'confidence', 'error'])
      for (let start = 0; start < images.length; start += together) {
        signal.throwIfAborted()
        const names = images.slice(start, start + together)
        const loaded = await Promise.allSettled(names.map((name) => loadImage(name, options)))
        const readable = loaded.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
        const predictions = (await predictor.predict(readable)).values()
        for (const [index, result] of loaded.entries()) {
          const prediction = result.status === 'fulfilled' ? predictions.next().value : undefined
          const error = result.status === 'rejected' ? String((result.reason as Error).message) : ''
          table += csvLine([names[index], prediction?.label, prediction?.confidence, error])
          if (prediction === undefined) logger.warn(`prediction: ${names[index]} is left out: ${error}`)
          else
            logger.info(
              `prediction: ${names[index]}: ${prediction.label} (${(prediction.confidence * 100).toFixed(1)} %)`,
            )
        }
      }
      const path = join(run.evalResults, 'new_images.csv')
      await writeFileAtomic(path, table)
      files.push(path)
    } finally {
      await predictor.dispose()
    }
  }
}

async function imagesIn(source: string): Promise<string[]> {
  const found = await stat(source).catch(() => null)
  if (found === null)
    throw new ConfigError(`predict.images: expected an image or a folder of images, ${source} does not exist.`)
  if (!found.isDirectory()) return [source]
  const entries = await readdir(source, { recursive: true, withFileTypes: true })
  const images = entries.filter((entry) => entry.isFile() && imageName.test(entry.name))
  if (images.length === 0) throw new ConfigError(`predict.images: expected images in ${source}, found none.`)
  return images.map((entry) => join(entry.parentPath, entry.name)).sort()
}
