/** The routes of the Hugging Face Hub that a download meets, on two loopback ports: the hub, and the storage that it redirects to. */
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface ServedFile {
  readonly bytes: Buffer
  /** Large files are redirected to the storage and have a SHA-256; small ones come from the hub and have git's SHA-1. */
  readonly large: boolean
}

export interface Repository {
  readonly commit: string
  readonly files: Readonly<Record<string, ServedFile>>
  readonly branches?: readonly string[]
  /** Who may read it; default: everybody. */
  readonly token?: string
  readonly gated?: boolean
}

export interface Seen {
  readonly at: 'hub' | 'storage'
  readonly method: string
  readonly path: string
  readonly authorization: string | undefined
  readonly range: string | undefined
}

export class HubServer {
  readonly repositories = new Map<string, Repository>()
  readonly seen: Seen[] = []
  /** Bytes of a body before the connection is cut, for the next bodies in turn; none left: whole bodies. */
  cuts: number[] = []
  /** What is sent instead of the bytes. */
  corrupt: ((bytes: Buffer) => Buffer) | null = null
  /** Answers of these statuses come first, in turn. */
  statuses: number[] = []
  /** Milliseconds before a body is sent. */
  delay = 0
  ranges = true
  readonly #hub: Server
  readonly #storage: Server

  constructor() {
    this.#hub = createServer((request, response) => this.#answer(request, response))
    this.#storage = createServer((request, response) => this.#serveStorage(request, response))
  }

  async start(): Promise<void> {
    for (const server of [this.#hub, this.#storage]) {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    }
  }

  stop(): void {
    for (const server of [this.#hub, this.#storage]) {
      server.closeAllConnections()
      server.close()
    }
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#hub.address() as AddressInfo).port}`
  }

  bodies(): Seen[] {
    return this.seen.filter(({ method, path }) => method === 'GET' && !path.startsWith('/hop'))
  }

  #note(at: Seen['at'], { method = '', url = '', headers }: IncomingMessage): void {
    this.seen.push({ at, method, path: url, authorization: headers.authorization, range: headers.range })
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    this.#note('hub', request)
    const status = this.statuses.shift()
    if (status !== undefined) return void response.writeHead(status).end()
    const [, name = '', revision = '', file = ''] =
      /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(request.url ?? '') ?? []
    const repository = this.repositories.get(name)
    const allowed = repository?.token === undefined || request.headers.authorization === `Bearer ${repository.token}`
    if (repository === undefined || !allowed) {
      const code = repository?.gated ? 'GatedRepo' : 'RepoNotFound'
      return void response.writeHead(401, { 'x-error-code': code }).end()
    }
    const { commit, branches = ['main'], files } = repository
    if (decodeURIComponent(revision) !== commit && !branches.includes(decodeURIComponent(revision))) {
      return void response.writeHead(404, { 'x-error-code': 'RevisionNotFound' }).end()
    }
    const served = files[decodeURIComponent(file)]
    const headers = { 'x-repo-commit': commit }
    if (served === undefined) return void response.writeHead(404, { ...headers, 'x-error-code': 'EntryNotFound' }).end()
    if (!served.large) {
      const sum = createHash('sha1').update(`blob ${served.bytes.length}\0`).update(served.bytes).digest('hex')
      return this.#send(request, response, served.bytes, { ...headers, etag: `"${sum}"` })
    }
    const sum = createHash('sha256').update(served.bytes).digest('hex')
    const { port } = this.#storage.address() as AddressInfo
    response
      .writeHead(302, {
        ...headers,
        location: `http://127.0.0.1:${port}/${name}/${file}?signature=secret`,
        'x-linked-etag': `"${sum}"`,
        'x-linked-size': served.bytes.length,
        etag: '"of-the-pointer"',
      })
      .end()
  }

  #serveStorage(request: IncomingMessage, response: ServerResponse): void {
    this.#note('storage', request)
    const [, name = '', file = ''] = /^\/([^/]+\/[^/]+)\/([^?]+)/.exec(request.url ?? '') ?? []
    const served = this.repositories.get(name)?.files[decodeURIComponent(file)]
    if (served === undefined) return void response.writeHead(404).end()
    this.#send(request, response, served.bytes, {})
  }

  #send(request: IncomingMessage, response: ServerResponse, original: Buffer, headers: Record<string, string>): void {
    const bytes = this.corrupt === null ? original : this.corrupt(original)
    const asked = this.ranges ? Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0) : 0
    const rest = bytes.subarray(asked)
    const range = asked > 0 ? { 'content-range': `bytes ${asked}-${bytes.length - 1}/${bytes.length}` } : {}
    response.writeHead(asked > 0 ? 206 : 200, { ...headers, ...range, 'content-length': rest.length })
    if (request.method === 'HEAD') return void response.end()
    const cut = this.cuts.shift()
    setTimeout(() => {
      if (cut === undefined || cut >= rest.length) return void response.end(rest)
      response.write(rest.subarray(0, cut), () => setTimeout(() => response.destroy(), 50))
    }, this.delay)
  }
}
