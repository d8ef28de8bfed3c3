import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { download } from '../../../src/util/download.ts'
import type { DownloadContext, DownloadTarget, RemoteFile } from '../../../src/util/download.ts'
import { DatasetError } from '../../../src/util/errors.ts'
import { silentLogger } from '../../../src/util/logger.ts'

const content = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, i) => Math.imul(i, 2654435761) >>> 24))
const sha256 = createHash('sha256').update(content).digest('hex')

type Answer = (request: IncomingMessage, response: ServerResponse, attempt: number) => void
let answer: Answer
let requests: IncomingMessage[] = []
/** Bytes of the file that the client has. */
let arrived = 0
let server: Server
let folder: string
let path: string

before(async () => {
  server = createServer((request, response) => {
    requests.push(request)
    answer(request, response, requests.length)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})
after(() => {
  server.closeAllConnections()
  server.close()
})
beforeEach(async () => {
  requests = []
  arrived = 0
  folder = await mkdtemp(join(tmpdir(), 'trivium-download-'))
  path = join(folder, 'set.tar.gz')
})
afterEach(() => rm(folder, { recursive: true }))

const port = (): number => (server.address() as AddressInfo).port
const file = (o: Partial<RemoteFile> = {}): RemoteFile => ({
  url: `http://127.0.0.1:${port()}/set.tar.gz`,
  digest: { kind: 'sha256', value: sha256 },
  size: content.length,
  label: 'Test set',
  ...o,
})
const target = (): DownloadTarget => ({ path, failure: DatasetError })
const context = (o: Partial<DownloadContext> = {}): DownloadContext => ({
  progress: ({ received }) => void (arrived = received),
  logger: silentLogger,
  retrySeconds: 0.01,
  ...o,
})
const rangeStart = (request: IncomingMessage): number =>
  Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)

/** Sends the rest that was asked for, at most `limit` bytes before the connection is cut. */
const send = (request: IncomingMessage, response: ServerResponse, limit = Infinity): void => {
  const start = rangeStart(request)
  const rest = content.subarray(start)
  if (start > 0) response.writeHead(206, { 'content-range': `bytes ${start}-${content.length - 1}/${content.length}` })
  else response.writeHead(200, { 'content-length': rest.length })
  if (rest.length <= limit) return void response.end(rest)
  response.write(rest.subarray(0, limit))
  // Cut when the client has them: a connection that is destroyed earlier takes bytes on the way with it.
  const wait = setInterval(() => {
    if (arrived < start + limit) return
    clearInterval(wait)
    response.destroy()
  }, 2)
}
const refuses =
  (...patterns: RegExp[]) =>
  (error: unknown): boolean =>
    error instanceof DatasetError && patterns.every((pattern) => pattern.test(error.message))

describe('download', () => {
  test('fetches, verifies and renames; nothing else is left', async () => {
    answer = (request, response) => send(request, response)
    const seen: number[] = []
    await download(file(), target(), context({ progress: ({ received }) => seen.push(received) }))
    assert.deepEqual(await readFile(path), content)
    assert.ok(!existsSync(`${path}.part`))
    assert.equal(seen.at(-1), content.length)
    assert.deepEqual(
      seen,
      [...seen].sort((a, b) => a - b),
    )
  })

  test('goes on where the connection was cut, at many offsets, without fetching twice', async () => {
    for (const cut of [1, 5000, 65_536, 150_000, content.length - 1]) {
      requests = []
      arrived = 0
      let sent = 0
      answer = (request, response, attempt) => {
        sent += attempt === 1 ? cut : content.length - rangeStart(request)
        send(request, response, attempt === 1 ? cut : Infinity)
      }
      await download(file(), target(), context())
      assert.deepEqual(await readFile(path), content)
      assert.equal(sent, content.length, `cut at ${cut}`)
      assert.equal(requests[1]?.headers.range, `bytes=${cut}-`)
      await rm(path)
    }
  })

  test('takes up the part that an earlier process left', async () => {
    await writeFile(`${path}.part`, content.subarray(0, 100_000))
    answer = (request, response) => send(request, response)
    await download(file(), target(), context())
    assert.equal(requests[0]?.headers.range, 'bytes=100000-')
    assert.deepEqual(await readFile(path), content)
  })

  test('starts again when the server knows no ranges, and when the part is longer than the file', async () => {
    answer = (_, response) => void response.writeHead(200).end(content)
    await writeFile(`${path}.part`, content.subarray(0, 100_000))
    await download(file(), target(), context())
    assert.deepEqual(await readFile(path), content)
    await writeFile(`${path}.part`, Buffer.alloc(content.length + 1))
    await download(file(), target(), context())
    assert.deepEqual(await readFile(path), content)
  })

  test('a damaged part is fetched anew, once', async () => {
    await writeFile(`${path}.part`, Buffer.alloc(content.length))
    answer = (request, response) => send(request, response)
    await download(file(), target(), context())
    assert.deepEqual(await readFile(path), content)
  })

  test('wrong bytes are refused with the address and the sum, and removed', async () => {
    answer = (_, response) => void response.writeHead(200).end(Buffer.alloc(content.length))
    await assert.rejects(
      download(file(), target(), context()),
      refuses(/other bytes than expected/, /127\.0\.0\.1/, new RegExp(sha256)),
    )
    assert.ok(!existsSync(path) && !existsSync(`${path}.part`))
    assert.equal(requests.length, 2)
  })

  test('more bytes than the file has are refused', async () => {
    answer = (_, response) => void response.writeHead(200).end(Buffer.concat([content, content]))
    await assert.rejects(download(file(), target(), context()), refuses(/more than the expected 300000 bytes/))
  })

  test('404 and 403 end at once', async () => {
    for (const status of [404, 403]) {
      requests = []
      answer = (_, response) => void response.writeHead(status).end()
      await assert.rejects(
        download(file(), target(), context()),
        refuses(new RegExp(`answered ${status}`), /set\.tar\.gz/),
      )
      assert.equal(requests.length, 1)
    }
  })

  test('503 and 429 are tried again, and end after the given number of tries', async () => {
    answer = (request, response, attempt) =>
      attempt < 3 ? void response.writeHead(attempt === 1 ? 503 : 429).end('busy') : send(request, response)
    await download(file(), target(), context())
    assert.equal(requests.length, 3)
    requests = []
    answer = (_, response) => void response.writeHead(503).end()
    await rm(path)
    await assert.rejects(download(file(), target(), context({ attempts: 3 })), refuses(/answered 503/))
    assert.equal(requests.length, 3)
  })

  test('a redirect is followed', async () => {
    answer = (request, response) =>
      request.url === '/set.tar.gz'
        ? void response.writeHead(302, { location: '/mirror' }).end()
        : send(request, response)
    await download(file(), target(), context())
    assert.deepEqual(await readFile(path), content)
  })

  test('credentials stay with the host they are for, however often it redirects', async () => {
    const told: (string | undefined)[] = []
    const mirror = createServer((request, response) => {
      told.push(`mirror ${request.headers.authorization}`)
      if (request.url === '/back') response.writeHead(307, { location: `http://127.0.0.1:${port()}/last` }).end()
      else send(request, response)
    })
    await new Promise<void>((resolve) => mirror.listen(0, '127.0.0.1', resolve))
    const elsewhere = `http://127.0.0.1:${(mirror.address() as AddressInfo).port}`
    answer = (request, response) => {
      told.push(`host ${request.headers.authorization}`)
      if (request.url === '/set.tar.gz') response.writeHead(302, { location: '/moved' }).end()
      else if (request.url === '/moved') response.writeHead(302, { location: `${elsewhere}/back` }).end()
      else send(request, response)
    }
    try {
      await download(file({ headers: { Authorization: 'Bearer secret' } }), target(), context())
      assert.deepEqual(told, ['host Bearer secret', 'host Bearer secret', 'mirror undefined', 'host undefined'])
      assert.deepEqual(await readFile(path), content)
    } finally {
      mirror.close()
    }
  })

  test('a redirect that never ends, and one to a file, are refused', async () => {
    answer = (_, response) => void response.writeHead(302, { location: '/again' }).end()
    await assert.rejects(download(file(), target(), context({ attempts: 1 })), refuses(/more than 10 redirects/))
    answer = (_, response) => void response.writeHead(302, { location: 'file:///etc/passwd' }).end()
    await assert.rejects(download(file(), target(), context({ attempts: 1 })), refuses(/a redirect to file:/))
  })

  test('the sum may be git’s, and the growing part may have another name', async () => {
    const git = createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex')
    answer = (request, response) => send(request, response, requests.length === 1 ? 1000 : Infinity)
    const part = join(folder, 'x.incomplete')
    await writeFile(part, content.subarray(0, 10))
    const digest = { kind: 'git-sha1', value: git } as const
    await download(file({ digest }), { ...target(), part }, context())
    assert.deepEqual(await readFile(path), content)
    assert.ok(!existsSync(part) && !existsSync(`${path}.part`))
    const wrong = { kind: 'git-sha1', value: git.replaceAll(/./g, '0') } as const
    await assert.rejects(download(file({ digest: wrong }), target(), context()), refuses(/git’s SHA-1 is not 0000/))
  })

  test('a connection that stalls is given up and resumed', async () => {
    answer = (request, response, attempt) => {
      if (attempt > 1) return send(request, response)
      response.writeHead(200, { 'content-length': content.length })
      response.write(content.subarray(0, 1000))
    }
    await download(file(), target(), context({ stallSeconds: 0.3 }))
    assert.equal(requests[1]?.headers.range, 'bytes=1000-')
    assert.deepEqual(await readFile(path), content)
  })

  test('a connection that keeps breaking ends with what is kept and where to go on', async () => {
    answer = (_, response) => {
      response.writeHead(200, { 'content-length': content.length })
      response.write(content.subarray(0, 1000))
    }
    await assert.rejects(
      download(file(), target(), context({ stallSeconds: 0.2, attempts: 2 })),
      refuses(
        new RegExp(
          `The 1000 of ${content.length} bytes that came are kept in ${path}\\.part: run the same command again`,
        ),
      ),
    )
    assert.equal((await readFile(`${path}.part`)).length, 1000)
  })

  test('no way to the address is an error after two tries', async () => {
    const closed = createServer()
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve))
    const { port: free } = closed.address() as AddressInfo
    await new Promise((resolve) => closed.close(resolve))
    const url = `http://127.0.0.1:${free}/x.tar.gz`
    await assert.rejects(
      download(file({ url }), target(), context()),
      refuses(/cannot be reached \(ECONNREFUSED\)/, new RegExp(url)),
    )
  })

  test('a signal ends it with its reason and keeps the part', async () => {
    const stop = new AbortController()
    answer = (_, response) => {
      response.writeHead(200, { 'content-length': content.length })
      response.write(content.subarray(0, 1000))
    }
    const reason = new Error('stopped by the user')
    const progress = (): void => stop.abort(reason)
    await assert.rejects(download(file(), target(), context({ signal: stop.signal, progress })), (e) => e === reason)
    assert.ok((await stat(`${path}.part`)).size > 0)
  })
})
