import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createModel, saveSafetensors } from '../../../src/models/index.ts'
import { torch } from '../../../src/binding/index.ts'
import { parseHubAddress } from '../../../src/models/hub/address.ts'
import { obtainFromHub } from '../../../src/models/hub/obtain.ts'
import { hubSettings } from '../../../src/models/hub/settings.ts'
import { ConfigError, SnapshotError } from '../../../src/util/errors.ts'
import { silentLogger } from '../../../src/util/logger.ts'
import type { Logger } from '../../../src/util/logger.ts'
import { HubServer } from './hub-server.ts'

const bytes = Buffer.from(Uint8Array.from({ length: 200_000 }, (_, i) => Math.imul(i, 2654435761) >>> 24))
const sha256 = createHash('sha256').update(bytes).digest('hex')
const commit = 'a'.repeat(40)
const main = { repo: 'timm/tiny.test', revision: 'main' }

let server: HubServer
let home = ''
let heard: string[] = []
const logger: Logger = {
  ...silentLogger,
  info: (message) => void heard.push(message),
  warn: (message) => void heard.push(`warning: ${message}`),
}
const context = { logger, retrySeconds: 0.01 }
const saved = { ...process.env }

before(async () => {
  server = new HubServer()
  await server.start()
})
after(() => server.stop())
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'trivium-hub-'))
  for (const name of Object.keys(process.env)) if (/^(HF_|HUGGING)/.test(name)) delete process.env[name]
  Object.assign(process.env, { HF_HOME: home, HF_ENDPOINT: server.endpoint })
  Object.assign(server, { cuts: [], statuses: [], corrupt: null, ranges: true, delay: 0 })
  server.seen.length = 0
  server.repositories.clear()
  server.repositories.set(main.repo, {
    commit,
    branches: ['main', 'refs/pr/1'],
    files: { 'model.safetensors': { bytes, large: true } },
  })
  heard = []
})
afterEach(() => {
  process.env = { ...saved }
  rmSync(home, { recursive: true })
})

const repository = (): string => join(home, 'hub/models--timm--tiny.test')
const refuses =
  (...patterns: RegExp[]) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof SnapshotError, String(error))
    for (const pattern of patterns) assert.match(error.message, pattern)
    return true
  }

describe('weights from the hub', () => {
  it('lie in the cache as Python’s library lays them', async () => {
    const path = await obtainFromHub(main, context)
    assert.equal(path, join(repository(), 'snapshots', commit, 'model.safetensors'))
    assert.deepEqual(readFileSync(path), bytes)
    assert.equal(readlinkSync(path), `../../blobs/${sha256}`)
    assert.equal(readFileSync(join(repository(), 'refs/main'), 'utf8'), commit)
    assert.deepEqual(readdirSync(join(repository(), 'blobs')), [sha256])
    assert.ok(existsSync(join(home, `hub/.locks/models--timm--tiny.test/${sha256}.lock`)))
    assert.ok(lstatSync(path).isSymbolicLink())
  })

  it('are asked for again by one question, and not fetched', async () => {
    const first = await obtainFromHub(main, context)
    server.seen.length = 0
    assert.equal(await obtainFromHub(main, context), first)
    assert.deepEqual(
      server.seen.map(({ method }) => method),
      ['HEAD'],
    )
  })

  it('of a commit need no question once they are there', async () => {
    const address = { ...main, revision: commit }
    await obtainFromHub(address, context)
    assert.ok(!existsSync(join(repository(), 'refs')))
    server.seen.length = 0
    await obtainFromHub(address, context)
    assert.deepEqual(server.seen, [])
  })

  it('move on with their branch, and keep what did not change', async () => {
    await obtainFromHub(main, context)
    const next = 'b'.repeat(40)
    server.repositories.set(main.repo, { commit: next, files: { 'model.safetensors': { bytes, large: true } } })
    server.seen.length = 0
    const path = await obtainFromHub(main, context)
    assert.ok(path.includes(next))
    assert.deepEqual(readFileSync(path), bytes)
    assert.deepEqual(server.bodies(), [])
    assert.equal(readFileSync(join(repository(), 'refs/main'), 'utf8'), next)
  })

  it('of a revision with slashes are found', async () => {
    const path = await obtainFromHub({ ...main, revision: 'refs/pr/1' }, context)
    assert.deepEqual(readFileSync(path), bytes)
    assert.ok(server.seen.every(({ at, path: url }) => at === 'storage' || !url.includes('refs/pr')))
    assert.equal(readFileSync(join(repository(), 'refs/refs/pr/1'), 'utf8'), commit)
  })

  it('may be pickled, where there are no others; small files are checked with git’s sum', async () => {
    const small = bytes.subarray(0, 1000)
    server.repositories.set(main.repo, { commit, files: { 'pytorch_model.bin': { bytes: small, large: false } } })
    const path = await obtainFromHub(main, context)
    assert.ok(path.endsWith(`${commit}/pytorch_model.bin`))
    assert.deepEqual(readFileSync(path), small)
    assert.match(readlinkSync(path), /^\.\.\/\.\.\/blobs\/[0-9a-f]{40}$/)
  })

  it('go on where a connection was cut, and where an earlier process stopped', async () => {
    server.cuts = [50_000, 30_000]
    const blobs = join(repository(), 'blobs')
    mkdirSync(blobs, { recursive: true })
    writeFileSync(join(blobs, `${sha256}.incomplete`), bytes.subarray(0, 10_000))
    const path = await obtainFromHub(main, context)
    assert.deepEqual(readFileSync(path), bytes)
    const ranges = server.bodies().flatMap(({ at, range }) => (at === 'storage' ? [range] : []))
    assert.equal(ranges[0], 'bytes=10000-')
    assert.equal(ranges.length, 3)
    assert.deepEqual(readdirSync(blobs), [sha256])
  })

  it('are refused with other bytes, and nothing stays under their name', async () => {
    server.corrupt = (original) => Buffer.alloc(original.length, 7)
    await assert.rejects(obtainFromHub(main, context), refuses(/other bytes than expected/, new RegExp(sha256)))
    assert.deepEqual(readdirSync(join(repository(), 'blobs')), [])
    assert.ok(!existsSync(join(repository(), 'snapshots')))
    const small = { 'model.safetensors': { bytes: bytes.subarray(0, 100), large: false } }
    server.repositories.set(main.repo, { commit, files: small })
    await assert.rejects(obtainFromHub(main, context), refuses(/git’s SHA-1/))
  })

  it('a damaged blob of another size is fetched anew', async () => {
    const path = await obtainFromHub(main, context)
    writeFileSync(join(repository(), 'blobs', sha256), 'cut')
    assert.deepEqual(readFileSync(await obtainFromHub(main, context)), bytes)
    assert.deepEqual(readFileSync(path), bytes)
  })

  it('are fetched once by processes that want them at the same time', async () => {
    server.delay = 1500
    const child = fileURLToPath(new URL('./hub-child.ts', import.meta.url))
    const run = async (): Promise<string> =>
      (await promisify(execFile)(process.execPath, ['--import', 'tsx', child, main.repo], { env: process.env })).stdout
    const paths = await Promise.all([run(), run(), run()])
    assert.equal(new Set(paths).size, 1)
    assert.deepEqual(readFileSync(paths[0]), bytes)
    assert.equal(server.bodies().filter(({ at }) => at === 'storage').length, 1)
  })

  it('a cache that cannot be written is named, with the variable that moves it', async () => {
    writeFileSync(join(home, 'a-file'), '')
    process.env['HF_HUB_CACHE'] = join(home, 'a-file')
    await assert.rejects(
      obtainFromHub(main, context),
      refuses(/cannot be stored in .*a-file.*ENOTDIR.*set HF_HUB_CACHE/),
    )
  })

  it('tell how far they are', async () => {
    const seen: number[] = []
    await obtainFromHub(main, { ...context, progress: ({ received, total }) => seen.push(received / total) })
    assert.equal(seen.at(-1), 1)
  })

  it('a signal ends the download with its reason', async () => {
    server.cuts = [1000]
    const stop = new AbortController()
    const reason = new Error('stopped by the user')
    const progress = (): void => stop.abort(reason)
    await assert.rejects(obtainFromHub(main, { ...context, signal: stop.signal, progress }), (e) => e === reason)
    assert.ok(existsSync(join(repository(), 'blobs', `${sha256}.incomplete`)))
  })
})

describe('the token', () => {
  const closed = { commit, files: { 'model.safetensors': { bytes, large: true } }, token: 'hf_secret' }

  it('is sent to the hub, and never to the storage it redirects to', async () => {
    server.repositories.set(main.repo, closed)
    process.env['HF_TOKEN'] = ' hf_secret\n'
    await obtainFromHub(main, context)
    for (const { at, authorization } of server.seen) {
      assert.equal(authorization, at === 'hub' ? 'Bearer hf_secret' : undefined)
    }
    assert.ok(server.seen.some(({ at }) => at === 'storage'))
    assert.ok(
      heard.every((line) => !/hf_secret|signature/.test(line)),
      heard.join('\n'),
    )
  })

  it('of the older variable serves where HF_TOKEN is not set or empty, and a wrong one is refused as none is', async () => {
    server.repositories.set(main.repo, closed)
    Object.assign(process.env, { HUGGING_FACE_HUB_TOKEN: 'hf_secret', HF_TOKEN: '' })
    await obtainFromHub(main, context)
    assert.ok(server.seen.every(({ at, authorization }) => at !== 'hub' || authorization === 'Bearer hf_secret'))
    process.env['HF_TOKEN'] = 'hf_other' // comes first
    const elsewhere = { ...main, revision: 'refs/pr/1' }
    await assert.rejects(obtainFromHub(elsewhere, context), refuses(/has no access|private|Set HF_TOKEN/))
    process.env['HF_HUB_DISABLE_IMPLICIT_TOKEN'] = '1'
    server.seen.length = 0
    await assert.rejects(obtainFromHub(elsewhere, context), refuses(/Set HF_TOKEN/))
    assert.ok(server.seen.every(({ authorization }) => authorization === undefined))
  })

  it('may lie in a file', async () => {
    server.repositories.set(main.repo, closed)
    writeFileSync(join(home, 'token'), 'hf_secret\n')
    await obtainFromHub(main, context)
    writeFileSync(join(home, 'other'), 'wrong')
    process.env['HF_TOKEN_PATH'] = join(home, 'other')
    await assert.rejects(obtainFromHub({ ...main, revision: 'x' }, context), refuses(/has no access/))
  })

  it('is asked for where a repository is closed, and the terms where it is gated', async () => {
    server.repositories.set(main.repo, closed)
    await assert.rejects(
      obtainFromHub(main, context),
      refuses(/no such repository .* or it is private/, /Set HF_TOKEN/),
    )
    server.repositories.set(main.repo, { ...closed, gated: true })
    await assert.rejects(obtainFromHub(main, context), refuses(/gated. Accept the terms on http.*tiny\.test/))
  })
})

describe('what is not there', () => {
  it('repository, revision and file are told apart', async () => {
    await assert.rejects(
      obtainFromHub({ ...main, repo: 'timm/absent' }, context),
      refuses(/timm\/absent: there is no such repository/),
    )
    await assert.rejects(obtainFromHub({ ...main, revision: 'v9' }, context), refuses(/no revision "v9"/))
    server.repositories.set(main.repo, { commit, files: {} })
    await assert.rejects(obtainFromHub(main, context), refuses(/expected model\.safetensors or pytorch_model\.bin/))
  })

  it('offline, the message says which file to put where; there it is found, by Python’s library too', async () => {
    process.env['HF_HUB_OFFLINE'] = '1'
    const place = join(repository(), 'snapshots/main/model.safetensors')
    await assert.rejects(
      obtainFromHub(main, context),
      refuses(
        /HF_HUB_OFFLINE is set/,
        /\/timm\/tiny\.test\/resolve\/main\/model\.safetensors/,
        new RegExp(`put it at ${place}`),
      ),
    )
    assert.deepEqual(server.seen, [])
    mkdirSync(join(repository(), 'snapshots/main'), { recursive: true })
    writeFileSync(place, bytes)
    assert.equal(await obtainFromHub(main, context), place)
  })

  it('what was fetched once is found offline, and when the hub does not answer, with a warning', async () => {
    const path = await obtainFromHub(main, context)
    process.env['HF_HUB_OFFLINE'] = 'true'
    assert.equal(await obtainFromHub(main, context), path)
    process.env['HF_HUB_OFFLINE'] = '0'
    heard = []
    server.statuses = [503]
    assert.equal(await obtainFromHub(main, context), path)
    assert.match(heard.join(), /warning: .*answered 503; using the cached/)
    process.env['HF_ENDPOINT'] = 'http://127.0.0.1:1'
    assert.equal(await obtainFromHub(main, context), path)
    await assert.rejects(
      obtainFromHub({ ...main, repo: 'timm/other' }, context),
      refuses(/the address cannot be reached \(ECONNREFUSED\)|the connection failed/, /put it at/),
    )
  })

  it('an endpoint that is no hub is refused', async () => {
    server.statuses = [200]
    await assert.rejects(obtainFromHub(main, context), refuses(/expected the commit, size and checksum/))
  })
})

describe('settings and names', () => {
  it('are Python’s', () => {
    const none = hubSettings({ HF_TOKEN_PATH: '/nowhere' })
    assert.deepEqual(
      [none.endpoint, none.cache, none.offline, none.token],
      ['https://huggingface.co', join(homedir(), '.cache/huggingface/hub'), false, null],
    )
    assert.equal(hubSettings({ XDG_CACHE_HOME: '/x' }).cache, '/x/huggingface/hub')
    assert.equal(hubSettings({ HF_HOME: '/h', HF_HUB_CACHE: '/c' }).cache, '/c')
    assert.equal(hubSettings({ HF_HOME: '~/h' }).cache, join(homedir(), 'h/hub'))
    assert.equal(hubSettings({ HF_ENDPOINT: 'https://mirror.example/hub/' }).endpoint, 'https://mirror.example/hub')
    assert.equal(hubSettings({ HF_TOKEN: 'a', HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' }).token, null)
    assert.equal(hubSettings({ HF_TOKEN: 'a', HUGGING_FACE_HUB_TOKEN: 'b' }).token, 'a')
    assert.equal(hubSettings({ HF_HUB_DOWNLOAD_TIMEOUT: '7' }).timeoutSeconds, 7)
    assert.equal(hubSettings({ TRANSFORMERS_OFFLINE: 'yes' }).offline, true)
    assert.throws(() => hubSettings({ HF_ENDPOINT: 'mirror' }), ConfigError)
  })

  it('hf:<repository>[@<revision>] is read, and nothing that could leave the cache', () => {
    assert.deepEqual(parseHubAddress('hf:timm/resnet18.a1_in1k'), { repo: 'timm/resnet18.a1_in1k', revision: 'main' })
    assert.deepEqual(parseHubAddress('hf:gpt2@refs/pr/3'), { repo: 'gpt2', revision: 'refs/pr/3' })
    for (const wrong of [
      'hf:',
      'hf:a/b/c',
      'hf:../x',
      'hf:a/..',
      'hf:a--b/c',
      'hf:a/b@',
      'hf:a/b@../../x',
      'hf:a/b@x\ny',
      'hf:a b/c',
      'hf:/a',
    ]) {
      assert.throws(() => parseHubAddress(wrong), ConfigError, wrong)
    }
  })
})

describe('createModel with weights of the hub', () => {
  it('loads them, and names repository and licence', async () => {
    const path = join(home, 'made.safetensors')
    using made = await createModel('small_cnn', { numClasses: 3, width: 4, seed: 5 })
    await torch.scope(() => saveSafetensors(path, made.stateDict()))
    server.repositories.set(main.repo, {
      commit,
      files: { 'model.safetensors': { bytes: readFileSync(path), large: true } },
    })
    using model = await createModel('small_cnn', {
      numClasses: 3,
      width: 4,
      seed: 6,
      pretrained: `hf:${main.repo}`,
      logger,
    })
    torch.scope(() => {
      for (const [name, tensor] of made.stateDict()) {
        assert.deepEqual(model.stateDict().get(name)?.toArray(), tensor.toArray(), name)
      }
    })
    assert.match(heard.join('\n'), /downloading http.*\nweights of timm\/tiny\.test, licence: see the page/)
  })

  it('true takes the registry’s repository and prints its licence', async () => {
    const path = join(home, 'made.safetensors')
    using made = await createModel('vit_tiny_patch16_224', { numClasses: 0, seed: 5 })
    await torch.scope(() => saveSafetensors(path, made.stateDict()))
    const repo = 'timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k'
    server.repositories.set(repo, {
      commit,
      files: { 'model.safetensors': { bytes: readFileSync(path), large: true } },
    })
    using model = await createModel('vit_tiny_patch16_224', { numClasses: 0, pretrained: true, logger })
    assert.equal(model.numFeatures, 192)
    assert.match(heard.join('\n'), /weights of timm\/vit_tiny_patch16_224\S*, licence Apache-2\.0/i)
  })

  it('a network without published weights, and other addresses, are refused before anything is built', async () => {
    await assert.rejects(createModel('small_cnn', { pretrained: true }), (error: unknown) => {
      assert.ok(error instanceof ConfigError)
      assert.match(error.message, /none of this network are known/)
      return true
    })
    for (const pretrained of ['https://example.org/x.safetensors', 'hf-hub:timm/x', 'hf://timm/x', 'timm:x']) {
      await assert.rejects(createModel('small_cnn', { pretrained }), (error: unknown) => {
        assert.ok(error instanceof ConfigError, pretrained)
        assert.match(error.message, /hf:<repository>/)
        return true
      })
    }
  })
})
