import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { torch } from '../../../src/binding/index.ts'
import { loadWeights, readWeights } from '../../../src/models/index.ts'
import { SnapshotError } from '../../../src/util/errors.ts'

interface Golden {
  readonly state: Record<string, { shape: number[]; dtype: string; values: number[] }>
  readonly files: Record<string, string>
}
const golden = JSON.parse(readFileSync(new URL('../../golden/checkpoints.json', import.meta.url), 'utf8')) as Golden
const folder = mkdtempSync(join(tmpdir(), 'trivium-checkpoint-'))
after(() => rmSync(folder, { recursive: true }))

const bytesOf = (name: string): Buffer => Buffer.from(golden.files[name] ?? assert.fail(name), 'base64')
function written(bytes: Uint8Array, name = 'file.pth'): string {
  const path = join(folder, name)
  writeFileSync(path, bytes)
  return path
}
const saved = (name: string): string => written(bytesOf(name), `${name}.pth`)

async function refuses(bytes: Uint8Array, pattern: RegExp): Promise<void> {
  const path = written(bytes)
  await assert.rejects(loadWeights(path), (error: unknown) => {
    assert.ok(error instanceof SnapshotError, String(error))
    assert.ok(error.message.startsWith(`${path}: `), error.message)
    assert.match(error.message, pattern)
    return true
  })
}

describe('checkpoints of torch.save', () => {
  for (const name of ['zip', 'legacy', 'protocol4', 'protocol5legacy']) {
    it(`${name} › gives every tensor its values, whatever its type, strides and storage`, async () => {
      await torch.scope(async () => {
        const tensors = await loadWeights(saved(name))
        assert.deepEqual([...tensors.keys()], Object.keys(golden.state))
        for (const [key, expected] of Object.entries(golden.state)) {
          const tensor = tensors.get(key)
          assert.deepEqual([tensor?.shape, tensor?.dtype], [expected.shape, expected.dtype], key)
          assert.deepEqual(tensor?.toArray(), expected.values, key)
        }
      })
    })
  }

  const places: readonly [name: string, found: string, first: number[]][] = [
    ['metadata', '', [1, 1]],
    ['wrapped', 'under "state_dict", without the prefix "module."', [1, 1]],
    ['wrappedLegacy', 'under "state_dict", without the prefix "module."', [1, 1]],
    ['everything', 'under "model"', [1, 1]],
    ['everythingLegacy', 'under "model"', [1, 1]],
    ['ema', 'under "state_dict_ema"', [1, 1]],
    ['nested', 'under "ema" in "model" in "module", without the prefix "module._orig_mod."', [1, 1]],
    ['averaged', 'without the prefix "module."', [1, 1]],
  ]
  for (const [name, found, first] of places) {
    it(`${name} › is found, and says where`, async () => {
      await torch.scope(async () => {
        const file = await readWeights(saved(name))
        assert.equal(file.found, found)
        const [[key = '', tensor] = []] = file.tensors
        assert.match(key, /^w(eight)?$/)
        assert.deepEqual(tensor?.toArray(), first)
      })
    })
  }

  const refused: readonly [name: string, pattern: RegExp][] = [
    ['evil', /"posix\.system" is not allowed.*nothing is run.*state_dict/],
    ['evilLegacy', /"posix\.system" is not allowed/],
    ['module', /"torch\.nn\.modules\.linear\.Linear" is not allowed.*save model\.state_dict\(\)/],
    ['sparse', /"torch\._utils\._rebuild_sparse_tensor" is not allowed/],
    ['quantized', /"torch\.QInt8Storage" is not allowed|_rebuild_qtensor" is not allowed/],
    ['unsigned16', /"torch\.uint16" is not allowed|"torch\.UInt16Storage" is not allowed/],
    ['deflated', /is compressed/],
    ['torchscript', /TorchScript archive, which holds code/],
    ['plainZip', /this zip file has no data\.pkl/],
    ['nothing', /expected tensors under names.*it holds a dictionary of "epoch", "loss"/],
    ['list', /it holds no dictionary/],
  ]
  for (const [name, pattern] of refused) {
    it(`${name} › is refused with the reason`, () => refuses(bytesOf(name), pattern))
  }

  it('other kinds of file are told by their content, not their ending', async () => {
    await refuses(Buffer.from('these are no weights at all'), /safetensors/)
    await refuses(Buffer.alloc(0), /safetensors/)
    const tar = Buffer.alloc(1024)
    tar.write('ustar', 257)
    await refuses(tar, /tar archive/)
    await refuses(Buffer.from([0x80, 2, 0x4b, 1, 0x2e]), /another kind of pickle/)
    await assert.rejects(loadWeights(join(folder, 'absent.pth')), /absent\.pth: there is no such file/)
    await assert.rejects(loadWeights(folder), /it is not a regular file/)
  })

  it('a wrong size in the pickle is refused before anything is allocated', async () => {
    // (2, 3, 2, 2) becomes (2, 3, 2, 255): 3060 values of a storage that has 24.
    const bytes = bytesOf('zip')
    const at = bytes.indexOf(Buffer.from([0x4b, 2, 0x4b, 3, 0x4b, 2, 0x4b, 2]))
    assert.ok(at > 0)
    bytes[at + 7] = 255
    await refuses(bytes, /"conv\.weight" lies outside its storage/)
  })

  it('a stride of 0 cannot claim more memory than the file has', async () => {
    // expanded: shape (4), stride (0) → shape (2^31 - 1).
    const bytes = bytesOf('legacy')
    const name = bytes.indexOf('expanded')
    const at = bytes.indexOf(Buffer.from([0x4b, 4, 0x85]), name)
    assert.ok(name > 0 && at > name && at - name < 300)
    const huge = Buffer.concat([
      bytes.subarray(0, at),
      Buffer.from([0x4a, 0xff, 0xff, 0xff, 0x7f, 0x85]),
      bytes.subarray(at + 3),
    ])
    await refuses(huge, /"expanded" claims to be larger than the file/)
  })

  it('every cut is refused', async () => {
    for (const name of ['wrapped', 'wrappedLegacy']) {
      const bytes = bytesOf(name)
      const step = Math.ceil(bytes.length / 150)
      for (let end = 0; end < bytes.length; end += step) {
        await assert.rejects(loadWeights(written(bytes.subarray(0, end))), SnapshotError, `${name} cut at ${end}`)
      }
    }
  })

  it('3,000 damaged files end in tensors or a SnapshotError', async () => {
    let state = 7
    const random = (bound: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return Math.floor((state / 2 ** 32) * bound)
    }
    const seeds = ['wrapped', 'wrappedLegacy', 'zip', 'legacy', 'everything'].map(bytesOf)
    let failed = 0
    for (let round = 0; round < 3000; round++) {
      const bytes = Buffer.from(seeds[round % seeds.length] as Buffer)
      for (let change = 0; change <= random(3); change++) bytes[random(bytes.length)] = random(256)
      // Directories and pickles are small parts of a file: aim at them every other time.
      if (round % 2 === 0) bytes[bytes.length - 1 - random(Math.min(800, bytes.length))] = random(256)
      try {
        await torch.scope(async () => void (await loadWeights(written(bytes))))
      } catch (error) {
        assert.ok(error instanceof SnapshotError, `round ${round}: ${String(error)}`)
        failed++
      }
    }
    assert.ok(failed > 300, `${failed} of 3000 were refused`)
  })
})
