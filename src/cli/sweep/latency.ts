/** How long the exported model takes for one picture: the objective `latency_ms`. */
import { openPredictor } from '../../predict/index.ts'
import { ConfigError } from '../../util/errors.ts'

const WARM_UP = 5
const RUNS = 30

/**
 * Milliseconds of one picture on one thread of ONNX Runtime, the median of 30 after 5 that do not count. Compare figures of one machine
 * with one worker: trials beside each other slow each other down.
 *
 * @param files what the phases wrote
 * @throws {ConfigError} when no ONNX file is among them
 */
export async function latencyOf(files: readonly string[]): Promise<number> {
  const model = files.find((path) => path.endsWith('.onnx'))
  if (model === undefined)
    throw new ConfigError(
      'latency_ms: expected an ONNX file among what the trial wrote, got none. Set export.formats: [onnx].',
    )
  const predictor = await openPredictor(model, { threads: 1 })
  try {
    const image = new Uint8Array(predictor.imageSize ** 2 * 3)
    const times: number[] = []
    for (let run = 0; run < WARM_UP + RUNS; run++) {
      const began = performance.now()
      await predictor.predict([image])
      times.push(performance.now() - began)
    }
    return times.slice(WARM_UP).sort((a, b) => a - b)[RUNS / 2]!
  } finally {
    await predictor.dispose()
  }
}
