import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { obtain } from '../../../src/data/obtain.ts'
import type { Published } from '../../../src/data/obtain.ts'
import { DatasetError } from '../../../src/util/errors.ts'
import { silentLogger } from '../../../src/util/logger.ts'

const names = ['a.gz', 'b.gz', 'c.gz'] as const
type Name = (typeof names)[number]
const SIZE = 60_000
const content = Object.fromEntries(
  names.map((name, n) => [name, Buffer.from(Uint8Array.from({ length: SIZE }, (_, i) => Math.imul(i + n * 977 + 1, 2654435761) >>> 24))]),
) as Record<Name, Buffer>
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

type Answer = (request: IncomingMessage, response: ServerResponse, name: Name, attempt: number) => void
let answer: Answer
let asked: string[]
/** Bytes of each file that the client has. */
let arrived: Map<Name, number>
let server: Server
let address: string
let folder: string

before(async () => {
  server = createServer((request, response) => {
    const name = (request.url ?? '').split('/').at(-1) as Name
    asked.push(`${name} ${request.headers.range ?? ''}`.trim())
    answer(request, response, name, asked.filter((one) => one.startsWith(name)).length)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
after(() => {
  server.closeAllConnections()
  server.close()
})
beforeEach(async () => {
  asked = []
  arrived = new Map()
  answer = send
  folder = await mkdtemp(join(tmpdir(), 'trivium-obtain-'))
})
afterEach(() => rm(folder, { recursive: true }))

/** The rest that was asked for. */
function send(request: IncomingMessage, response: ServerResponse, name: Name): void {
  const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
  if (start > 0) response.writeHead(206, { 'content-range': `bytes ${start}-${SIZE - 1}/${SIZE}` })
  response.end(content[name].subarray(start))
}

/** Promises all of it and closes the connection after `count` bytes. */
function cut(request: IncomingMessage, response: ServerResponse, name: Name, count: number): void {
  const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
  const headers = { 'content-length': SIZE - start }
  if (start > 0) response.writeHead(206, { ...headers, 'content-range': `bytes ${start}-${SIZE - 1}/${SIZE}` })
  else response.writeHead(200, headers)
  response.write(content[name].subarray(start, start + count))
  // Cut when the client has them: a connection that is destroyed earlier takes bytes on the way with it.
  const wait = setInterval(() => {
    if ((arrived.get(name) ?? 0) < start + count) return
    clearInterval(wait)
    response.destroy()
  }, 2)
}

function published(): Published<string> {
  const place = join(folder, 'three')
  return {
    ...{ title: 'Three files', folder: 'three', alternative: null },
    remote: {
      kind: 'files',
      files: names.map((name) => ({
        ...{ url: `${address}/files/${name}`, digest: { kind: 'sha256', value: sha256(content[name]) } },
        ...{ size: SIZE, label: `Three files, ${name}` },
      })),
    },
    find: async () => {
      const there = await readdir(place).catch(() => [])
      return names.every((name) => (there as string[]).includes(name)) ? 'all' : null
    },
  }
}
const get = (o: object = {}): Promise<string> =>
  obtain(published(), folder, {
    ...{ logger: silentLogger, download: true, retrySeconds: 0.01 },
    progress: ({ label, received }) => void arrived.set(label.slice(-4) as Name, received),
    ...o,
  })
async function complete(): Promise<void> {
  for (const name of names) assert.ok((await readFile(join(folder, 'three', name))).equals(content[name]), name)
  assert.deepEqual((await readdir(join(folder, 'three'))).sort(), [...names])
}

describe('a set of several files', () => {
  test('each is fetched once, with progress of its own', async () => {
    const seen = new Map<string, number>()
    await get({ progress: ({ label, received }: { label: string; received: number }) => seen.set(label, received) })
    await complete()
    assert.deepEqual(asked, [...names])
    assert.deepEqual(Array.from(seen), names.map((name) => [`Three files, ${name}`, SIZE]))
    assert.equal(await get(), 'all')
    assert.equal(asked.length, 3)
  })

  for (const count of [1, 17_000, SIZE - 1]) {
    test(`a connection that ends after ${count} bytes of each is resumed there`, async () => {
      answer = (request, response, name, attempt) => (attempt === 1 ? cut(request, response, name, count) : send(request, response, name))
      await get()
      await complete()
      assert.equal(asked.length, 6)
      for (const name of names) assert.ok(asked.some((one) => one.startsWith(`${name} bytes=`)), asked.join('; '))
    })
  }

  test('302, 429, 503 and a slow server in between change nothing', async () => {
    answer = (request, response, name, attempt) => {
      if (request.url?.startsWith('/files/')) return void response.writeHead(302, { location: `/mirror/${name}` }).end()
      if (attempt === 2) return void response.writeHead(name === 'b.gz' ? 429 : 503).end()
      const bytes = content[name]
      let at = 0
      const drip = setInterval(() => {
        if (at >= SIZE) {
          clearInterval(drip)
          response.end()
          return
        }
        response.write(bytes.subarray(at, (at += 20_000)))
      }, 10)
    }
    await get()
    await complete()
  })

  test('wrong bytes in the second are refused by name; the first is kept, and the next try fetches the others alone', async () => {
    answer = (request, response, name) => {
      if (name !== 'b.gz') return send(request, response, name)
      response.end(Buffer.alloc(SIZE, 7))
    }
    await assert.rejects(get(), (e) => e instanceof DatasetError && /files\/b\.gz/.test(e.message) && /Three files is not in/.test(e.message))
    assert.deepEqual(await readdir(join(folder, 'three')), ['a.gz'])
    asked = []
    answer = send
    await get()
    await complete()
    assert.deepEqual(asked, ['b.gz', 'c.gz'])
  })

  test('a part that an aborted run left is gone on with', async () => {
    const stop = new AbortController()
    const reason = new Error('stop')
    answer = (_request, response, name) => {
      response.writeHead(200, { 'content-length': SIZE })
      if (name === 'a.gz') return void response.end(content[name])
      response.write(content[name].subarray(0, 30_000))
    }
    const progress = ({ label, received }: { label: string; received: number }): void => {
      if (label.endsWith('b.gz') && received >= 30_000) stop.abort(reason)
    }
    await assert.rejects(get({ progress, signal: stop.signal }), (e) => e === reason)
    asked = []
    answer = send
    await get()
    await complete()
    assert.deepEqual(asked, ['b.gz bytes=30000-', 'c.gz'])
  })

  test('of several processes one fetches, the others wait for it', async () => {
    answer = (request, response, name) => setTimeout(() => send(request, response, name), 100)
    const script = fileURLToPath(new URL('../../support/obtain-files.ts', import.meta.url))
    const sums = [sha256(content['a.gz']), sha256(content['b.gz'])]
    const runs = Array.from({ length: 3 }, async () => {
      const args = ['--import', 'tsx', script, `${address}/files`, folder, ...sums, String(SIZE)]
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
      let text = ''
      child.stdout.on('data', (part: Buffer) => (text += part.toString()))
      const [code] = (await once(child, 'close')) as [number]
      return { code, text }
    })
    assert.deepEqual(await Promise.all(runs), Array(3).fill({ code: 0, text: String(2 * SIZE) }))
    assert.deepEqual(asked, ['a.gz', 'b.gz'])
  })
})
