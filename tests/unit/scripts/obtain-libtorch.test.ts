import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'

type Download = (work: string, name: string, range: string) => Promise<string>
interface Wheel {
  readonly name: string
  readonly version: string
  readonly sha256: string
  readonly url: string
}
interface ObtainScript {
  wheelsIn(html: string, base: string, arch?: string): Wheel[]
  inRange(version: string, range: string): boolean
  newest(files: readonly Wheel[], range: string): Wheel | undefined
  cudaRequirements(metadata: string, extras?: readonly string[]): [string, string][]
  cudaToolkit(metadata: string): { extras: string[]; range: string } | null
  damage(folder: string): string | null
  withoutPip(index: string): Download
  fromWheels(work: string, download: Download, log: (line: string) => void): Promise<void>
  obtain(
    root: string,
    log: (line: string) => void,
    ways: readonly [string, (work: string) => Promise<void>][],
  ): Promise<string[]>
}

const url = (name: string): string => new URL(`../../../scripts/${name}`, import.meta.url).href
const script = (await import(url('obtain-libtorch.mjs'))) as ObtainScript
const { pinned } = (await import(url('libtorch.mjs'))) as { pinned: string }
const digest = (data: string | Buffer): string => createHash('sha256').update(data).digest('hex')

describe('package index › wheels on its page', () => {
  const sum = digest('x')
  const link = (name: string, hash = `#sha256=${sum}`): string => `<a href="../../files/${name}${hash}">${name}</a>`

  test('those for this processor are taken, with version, address and checksum', () => {
    const html = [
      link('torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl'),
      link('torch-2.13.0-cp311-cp311-manylinux_2_28_aarch64.whl'),
      link('torch-2.13.0-cp311-none-macosx_11_0_arm64.whl'),
      link('torch-2.13.0.tar.gz'),
    ].join('\n')
    assert.deepEqual(script.wheelsIn(html, 'https://index.test/simple/torch/', 'x64'), [
      {
        name: 'torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl',
        version: '2.13.0',
        sha256: sum,
        url: 'https://index.test/files/torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl',
      },
    ])
    assert.equal(script.wheelsIn(html, 'https://index.test/simple/torch/', 'arm64')[0]?.url.includes('aarch64'), true)
  })

  test('one without a checksum is passed over: nothing could vouch for it', () => {
    const html = link('torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl', '')
    assert.deepEqual(script.wheelsIn(html, 'https://index.test/simple/torch/', 'x64'), [])
  })

  test('a local version such as 2.13.0+cpu counts as 2.13.0', () => {
    const html = link('torch-2.13.0%2Bcpu-cp311-cp311-manylinux_2_28_x86_64.whl')
    assert.equal(script.wheelsIn(html, 'https://index.test/', 'x64')[0]?.version, '2.13.0')
  })
})

describe('package index › version ranges', () => {
  const cases: readonly [version: string, range: string, holds: boolean][] = [
    ['2.13.0', '==2.13.0', true],
    ['2.13', '==2.13.0', true],
    ['2.13.1', '==2.13.0', false],
    ['13.0.88', '==13.0.88.*', true],
    ['13.0.88.2', '==13.0.88.*', true],
    ['13.0.880', '==13.0.88.*', false],
    ['13.10.0', '>=13.9,<14', true],
    ['14.0', '>=13,<14', false],
    ['12.9', '<14,>=13.0.88', false],
  ]
  for (const [version, range, holds] of cases) {
    test(`${version} is ${holds ? '' : 'not '}in ${range}`, () => {
      assert.equal(script.inRange(version, range), holds)
    })
  }

  test('the newest is chosen by number, not by spelling', () => {
    const wheels = ['13.9.0', '13.10.0', '14.0.0'].map((version) => ({ name: '', url: '', sha256: '', version }))
    assert.equal(script.newest(wheels, '>=13,<14')?.version, '13.10.0')
    assert.equal(script.newest(wheels, '>=15'), undefined)
  })
})

describe("CUDA wheels › NVIDIA's packages", () => {
  const metadata = [
    'Requires-Dist: filelock',
    'Requires-Dist: cuda-toolkit[cublas,cudart]==13.0.3; platform_system == "Linux"',
    'Requires-Dist: nvidia-nccl-cu13==2.29.7; platform_system == "Linux"',
    'Requires-Dist: triton==3.7.1; platform_system == "Linux"',
  ].join('\n')
  const toolkit = [
    "Requires-Dist: nvidia-cublas==13.1.1.3.*; (sys_platform == 'linux') and extra == 'cublas'",
    "Requires-Dist: nvidia-cuda-runtime==13.0.96.*; (sys_platform == 'linux') and extra == 'cudart'",
    "Requires-Dist: nvidia-cufft==12.0.0.61.*; (sys_platform == 'linux') and extra == 'cufft'",
  ].join('\n')

  test('are those the wheel names and those of the toolkit parts it asks for, nothing else', () => {
    assert.deepEqual(script.cudaRequirements(metadata), [['nvidia-nccl-cu13', '==2.29.7']])
    const asked = script.cudaToolkit(metadata)
    assert.deepEqual(asked, { extras: ['cublas', 'cudart'], range: '==13.0.3' })
    assert.deepEqual(script.cudaRequirements(toolkit, asked?.extras), [
      ['nvidia-cublas', '==13.1.1.3.*'],
      ['nvidia-cuda-runtime', '==13.0.96.*'],
    ])
  })

  test('a wheel without the toolkit package asks for none of it', () => {
    assert.equal(script.cudaToolkit('Requires-Dist: filelock'), null)
  })
})

const cmake = spawnSync('cmake', ['--version']).status === 0
describe('LibTorch › obtained from an index', { skip: cmake ? false : 'cmake is not installed' }, () => {
  let base = ''
  let root = ''
  let server: Server
  let index = ''
  let files = new Map<string, string | Buffer>()
  const wheelName = `torch-${pinned}-cp311-cp311-manylinux_2_28_${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}.whl`

  before(async () => {
    base = mkdtempSync(join(tmpdir(), 'trivium-obtain-'))
    server = createServer((request, response) => {
      const body = files.get(request.url ?? '')
      response.writeHead(body === undefined ? 404 : 200).end(body)
    })
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    index = `http://127.0.0.1:${(server.address() as AddressInfo).port}/simple`
  })
  after(async () => {
    await new Promise((done) => server.close(done))
    rmSync(base, { recursive: true })
  })
  beforeEach(() => {
    root = mkdtempSync(join(base, 'root-'))
    files = new Map()
  })

  /** A zip with a LibTorch as small as one may be: headers with `version`, a sparse library of `bytes`. */
  function wheel(version: string, bytes: number): Buffer {
    const folder = mkdtempSync(join(base, 'wheel-'))
    const [major, minor] = version.split('.')
    const write = (path: string, text: string): void => {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), text)
    }
    write('torch/include/torch/csrc/api/include/torch/types.h', '')
    write(
      'torch/include/torch/headeronly/version.h',
      `#define TORCH_VERSION_MAJOR ${major}\n#define TORCH_VERSION_MINOR ${minor}\n`,
    )
    write('torch/lib/libc10.so', '')
    write('torch/lib/libtorch_cpu.so', '')
    write('torch/share/cmake/x', '')
    write('torch/version.py', '')
    write('torch/__init__.py', 'print("not needed")')
    write(`torch-${version}.dist-info/METADATA`, 'Requires-Dist: filelock\n')
    truncateSync(join(folder, 'torch/lib/libtorch_cpu.so'), bytes)
    const archive = join(folder, 'wheel.zip')
    const packed = spawnSync(
      'cmake',
      ['-E', 'tar', 'cf', archive, '--format=zip', 'torch', `torch-${version}.dist-info`],
      {
        cwd: folder,
        encoding: 'utf8',
      },
    )
    assert.equal(packed.status, 0, packed.stderr)
    return readFileSync(archive)
  }

  function serve(content: Buffer, sha256 = digest(content)): void {
    files.set('/simple/torch/', `<a href="/files/${wheelName}#sha256=${sha256}">${wheelName}</a>`)
    files.set(`/files/${wheelName}`, content)
  }

  const obtain = (): Promise<string[]> =>
    script.obtain(root, () => undefined, [
      ['the index', (work) => script.fromWheels(work, script.withoutPip(index), () => undefined)],
    ])

  test('headers and libraries are unpacked, the rest of the wheel is not, nothing else stays behind', async () => {
    serve(wheel(pinned, 60e6))
    assert.deepEqual(await obtain(), [])
    assert.deepEqual(readdirSync(root), ['.libtorch'])
    assert.deepEqual(readdirSync(join(root, '.libtorch')), ['torch'])
    assert.equal(script.damage(join(root, '.libtorch/torch')), null)
    assert.equal(existsSync(join(root, '.libtorch/torch/__init__.py')), false)
  })

  const failures: readonly [what: string, prepare: () => void, reason: RegExp][] = [
    ['bytes other than announced', () => serve(wheel(pinned, 1), digest('other')), /expected SHA-256 \w+ but got \w+/],
    ['a library cut short', () => serve(wheel(pinned, 1000)), /libtorch_cpu\.so has only 1000 bytes/],
    ['another version inside', () => serve(wheel('2.3.0', 1000)), /expected version [\d.]+ but got 2\.3/],
    ['a file that is no zip', () => serve(Buffer.from('not a zip')), /does not unpack/],
    ['an index without torch', () => undefined, /HTTP 404/],
  ]
  for (const [what, prepare, reason] of failures) {
    test(`${what}: the reason is given and an earlier copy stays as it was`, async () => {
      mkdirSync(join(root, '.libtorch'))
      writeFileSync(join(root, '.libtorch/earlier'), '')
      prepare()
      const [reported] = await obtain()
      assert.match(reported ?? 'no failure', reason)
      assert.deepEqual(readdirSync(root), ['.libtorch'])
      assert.deepEqual(readdirSync(join(root, '.libtorch')), ['earlier'])
    })
  }
})
