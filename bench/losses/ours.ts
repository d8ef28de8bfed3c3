/**
 * Supervised contrastive loss and its gradient, 128 features, 10 classes. Times are CPU time of one thread; memory is the peak of the
 * process's resident set above what it was before the first call (Linux). Arguments: [embeddings] [repetitions]
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { torch } from '../../src/binding/index.ts'
import { supconLoss } from '../../src/losses/index.ts'

const count = Number(process.argv[2] ?? 8192)
const repetitions = Number(process.argv[3] ?? 3)
torch.setNumThreads(1)
torch.manualSeed(1)

/** Megabytes of a line of /proc/self/status. */
function resident(line: 'VmRSS' | 'VmHWM'): number {
  const match = new RegExp(`${line}:\\s+(\\d+) kB`).exec(readFileSync('/proc/self/status', 'utf8'))
  return Number(match?.[1]) / 1024
}

function work(rows: number): number {
  const classes = BigInt64Array.from({ length: rows }, (_, i) => BigInt(i % 10))
  const labels = torch.tensor(classes)
  const z = torch.scope(() => {
    const raw = torch.ops.randn([rows, 128])
    const unit = torch.ops.div(raw, torch.ops.linalgVectorNorm(raw, 2, [1], true))
    return torch.keep(torch.tensor(unit.data(), { shape: [rows, 128], requiresGrad: true }))
  })
  const before = resident('VmRSS')
  writeFileSync('/proc/self/clear_refs', '5') // the peak counts from here
  const start = process.cpuUsage()
  torch.scope(() => supconLoss(z, labels, { temperature: 0.1, baseTemperature: null }).backward())
  const { user, system } = process.cpuUsage(start)
  megabytes ??= rows === count ? resident('VmHWM') - before : null
  z.dispose()
  labels.dispose()
  return (user + system) / 1000
}

let megabytes: number | null = null
work(64)
const milliseconds = Array.from({ length: repetitions }, () => work(count))
process.stdout.write(`${JSON.stringify({ milliseconds, megabytes })}\n`)
