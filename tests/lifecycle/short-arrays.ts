/**
 * A child process of the tests: asks the addon for arrays that there is no memory for, and says what comes of it.
 *
 *   <data | records | resize | decode>
 */
import { decodeBatch, hashRecords, resizeImage, torch } from '../../src/binding/index.ts'
import { exitCodeOf } from '../../src/cli/exit-codes.ts'
import { limitAddressSpace } from './limit-memory.ts'

const MiB = 2 ** 20

/** What lacks memory in the end, and the megabytes that suffice for what goes before it. */
const attempts: Record<string, () => Promise<unknown>> = {
  async data() {
    const tensor = torch.zeros([64 * MiB])
    limitAddressSpace(100)
    return tensor.data()
  },
  async records() {
    const bytes = new Uint8Array(32 * MiB)
    torch.getNumThreads() // loads the addon
    limitAddressSpace(400)
    return hashRecords(bytes, 1)
  },
  async resize() {
    torch.getNumThreads()
    limitAddressSpace(300)
    const size = { height: 64, width: 64, outHeight: 8192, outWidth: 8192 }
    return resizeImage(new Uint8Array(64 * 64 * 3), { ...size, interpolation: 'bilinear' })
  },
  async decode() {
    torch.getNumThreads()
    limitAddressSpace(100)
    return decodeBatch([new Uint8Array(1)], { resizeTo: 8192, cropTo: 8192, maxPixels: 1e9, threads: 1 })
  },
}

try {
  await attempts[process.argv[2] ?? '']?.()
  process.stdout.write('no error\n')
} catch (error) {
  process.stdout.write(`${(error as Error).name}: ${(error as Error).message}\n`)
  process.exitCode = exitCodeOf(error)
}
