/**
 * What the memory gives: bytes read and written a second by copies of 64 MB, through the operators' threads. Argument: [threads]
 */
import { torch, type Tensor } from '../../src/binding/index.ts'

const threads = Number(process.argv[2] ?? 2)
torch.setNumThreads(threads)
const source = torch.zeros([1 << 24])
const gigabytes: number[] = []
for (let i = -3; i < 15; i++) {
  const start = performance.now()
  const copy = torch.call('aten::clone', source) as Tensor
  const seconds = (performance.now() - start) / 1000
  copy.dispose() // its memory is used again, page by page as it is
  if (i >= 0) gigabytes.push((2 * 4 * (1 << 24)) / 1e9 / seconds)
}
process.stdout.write(`${JSON.stringify({ gigabytes })}\n`)
