/**
 * A child process of the tests: trains with big pictures, and may take so many more megabytes of address space once it begins.
 *
 *   <folder> <name> <megabytes> <micro_batch>
 */
import { exitCodeOf } from '../../src/cli/exit-codes.ts'
import { newestRun, pipelineConfigSchema, runPipeline } from '../../src/phases/index.ts'
import type { Callback } from '../../src/train/index.ts'
import { silentLogger, type Logger } from '../../src/util/logger.ts'
import { limitAddressSpace } from './limit-memory.ts'

const [directory = '.', name = 'run', megabytes = '100', microBatch = 'none'] = process.argv.slice(2)

const limit: Callback = {
  name: 'limit',
  onStart() {
    limitAddressSpace(Number(megabytes))
  },
  onStepEnd({ step }) {
    process.stdout.write(`step ${step}\n`)
  },
}

async function main(): Promise<void> {
  const config = pipelineConfigSchema.parse({
    run: { name, directory },
    device: 'cpu',
    threads: 1,
    data: { dataset: 'digits', imageSize: 64 },
    backbone: { name: 'small_cnn', width: 16 },
    train: { steps: 2, epochs: null, batchSize: 512, microBatch: microBatch === 'none' ? null : microBatch },
  })
  const warn = (text: string): void => void process.stdout.write(`warning: ${text}\n`)
  const logger: Logger = { ...silentLogger, warn, child: () => logger }
  const resume = newestRun(directory, name) !== null
  const { outcome } = await runPipeline(config, { phases: ['train'], callbacks: [limit], resume, logger })
  process.stdout.write(`${outcome}\n`)
}

main().catch((error: unknown) => {
  process.stdout.write(`${(error as Error).name}: ${(error as Error).message}\n`)
  process.exitCode = exitCodeOf(error)
})
