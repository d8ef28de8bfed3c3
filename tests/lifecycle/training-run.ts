/** A child process of the training tests: a short supcon phase on digits, resumed where the run exists. */
import { pipelineConfigSchema, newestRun, runPipeline } from '../../src/phases/index.ts'

const [directory = '.', name = 'run'] = process.argv.slice(2)

async function main(): Promise<void> {
  const config = pipelineConfigSchema.parse({
    run: { name, directory },
    device: 'cpu',
    threads: 1,
    data: { dataset: 'digits', imageSize: 16 },
    backbone: { name: 'small_cnn', width: 4 },
    supcon: { epochs: 4, batchSize: 128, emaDecay: 0.9, projectionFeatures: 16, augmentations: { randomCrop: true } },
  })
  const progress = { start() {}, stop() {}, update: (step: number) => void process.stdout.write(`step ${step}\n`) }
  const { outcome } = await runPipeline(config, {
    phases: ['supcon'],
    resume: newestRun(directory, name) !== null,
    progress,
  })
  process.stdout.write(`${outcome}\n`)
}

main().catch((error: unknown) => {
  process.stdout.write(`${(error as Error).name}: ${(error as Error).message}\n`)
  process.exitCode = 7
})
