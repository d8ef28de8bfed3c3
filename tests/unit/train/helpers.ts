/** A problem small enough to be trained in a test: three classes of tinted 8 × 8 noise. */
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { evaluationPlan, trainingPlan } from '../../../src/augment/index.ts'
import { torch } from '../../../src/binding/index.ts'
import { Loader, MemoryDataset, randomSampler, sequentialSampler } from '../../../src/data/index.ts'
import { crossEntropyLoss } from '../../../src/losses/index.ts'
import { createHead, createModel } from '../../../src/models/index.ts'
import { SnapshotStore } from '../../../src/snapshot/index.ts'
import {
  forwardNetworks,
  type LoopOptions,
  type LoopParts,
  type Networks,
  type TrainingTask,
} from '../../../src/train/index.ts'
import { silentLogger } from '../../../src/util/logger.ts'

const geometry = { imageSize: 8, inputHeight: 8, inputWidth: 8, mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] }

export function tintedNoise(count: number, seed: number): MemoryDataset {
  let x = seed
  const next = (): number => (x = (Math.imul(x, 1664525) + 1013904223) >>> 0) >>> 24
  const labels = Int32Array.from({ length: count }, (_, i) => i % 3)
  const pixels = new Uint8Array(count * 8 * 8 * 3)
  pixels.forEach((_, i) => {
    const label = labels[Math.floor(i / 192)]
    pixels[i] = Math.min(255, next() * 0.6 + (i % 3 === label ? 60 : 0))
  })
  return new MemoryDataset({ name: 'tints', classNames: ['red', 'green', 'blue'], labels, height: 8, width: 8, pixels })
}

export async function smallNetworks(seed: number = 1): Promise<Networks> {
  const backbone = await createModel('small_cnn', { numClasses: 0, imageSize: 8, width: 4, seed })
  const head = await createHead({ kind: 'linear', inFeatures: backbone.numFeatures, numClasses: 3, seed })
  return { backbone: backbone.native, head: head.native }
}

export function tintTask(): TrainingTask {
  const validation = new Loader({
    dataset: tintedNoise(30, 99),
    sampler: sequentialSampler({ length: 30 }),
    plan: evaluationPlan(geometry),
    batchSize: 16,
  })
  return {
    name: 'tints',
    async compute(networks, batch) {
      const { outputs } = await forwardNetworks(networks, batch.images, 'float32')
      return { loss: crossEntropyLoss(outputs, batch.labels, { labelSmoothing: 0 }), parts: {}, correct: null }
    },
    trainable: ({ backbone, head }) => [
      { prefix: 'backbone', parameters: backbone.namedParameters() },
      { prefix: 'head', parameters: head.namedParameters() },
    ],
    async validate(networks) {
      let correct = 0
      let loss = 0
      for await (const batch of validation.epoch(0)) {
        const { outputs } = await forwardNetworks(networks, batch.images, 'float32')
        loss += crossEntropyLoss(outputs, batch.labels, { labelSmoothing: 0 }).item() * batch.size
        correct += torch.ops.sum(torch.ops.eq(torch.ops.argmax(outputs, 1), batch.labels)).item()
        batch.dispose()
      }
      return { loss: loss / 30, accuracy: correct / 30 }
    },
  }
}

export function tintLoader(): Loader {
  const dataset = tintedNoise(60, 7)
  const plan = trainingPlan({ randomCrop: { padding: 1 } }, { ...geometry, seed: 3 })
  return new Loader({ dataset, sampler: randomSampler(dataset, 5), plan, batchSize: 12, dropLast: true })
}

export const loopOptions: LoopOptions = {
  duration: { epochs: 3, steps: null },
  warmup: { epochs: null, steps: 2 },
  schedule: { kind: 'cosine', learningRate: 0.02, finalFraction: 0 },
  optimizer: {
    optimizer: 'adamw',
    momentum: 0.9,
    nesterov: true,
    beta1: 0.9,
    beta2: 0.999,
    weightDecay: 0.01,
    decayNormsAndBiases: false,
  },
  gradClip: 0,
  emaDecay: 0.99,
  monitor: 'accuracy',
  patience: null,
  snapshotEvery: 1,
  seed: 4,
}

/** Fresh parts in a folder of their own, or going on in `folder`. */
export async function loopParts(
  o: { folder?: string; ema?: boolean; task?: TrainingTask } = {},
): Promise<LoopParts & { folder: string }> {
  const folder = o.folder ?? mkdtempSync(join(tmpdir(), 'trivium-loop-'))
  const networks = await smallNetworks()
  return {
    folder,
    task: o.task ?? tintTask(),
    networks,
    emaNetworks: o.ema === true ? await smallNetworks() : null,
    loader: tintLoader(),
    store: await SnapshotStore.open(join(folder, 'snapshots'), { keep: 2, logger: silentLogger }),
    logs: join(folder, 'logs'),
    logger: silentLogger,
    signal: new AbortController().signal,
    resumeFrom: null,
    network: { of: 'a test' },
  }
}

/** SHA-256 of each weight file of a snapshot: equal sums are equal bits. */
export function weightSums(snapshot: string): Record<string, string> {
  const { files } = JSON.parse(readFileSync(join(snapshot, 'manifest.json'), 'utf8')) as {
    files: Record<string, { sha256: string }>
  }
  return Object.fromEntries(
    Object.entries(files).flatMap(([name, { sha256 }]) => (name.endsWith('.safetensors') ? [[name, sha256]] : [])),
  )
}
