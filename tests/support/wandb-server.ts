/** A server on this machine that speaks as much of W&B's interface as a run needs, as W&B's sources describe it, and keeps what it is told. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface RecordedRun {
  readonly entity: string
  readonly project: string
  displayName: string
  config: Record<string, { readonly value: unknown }>
  /** by line */
  readonly history: (Record<string, unknown> | undefined)[]
  summary: Record<string, unknown>
  complete: boolean
  exitCode: number | null
}

export interface WandbServer extends AsyncDisposable {
  readonly url: string
  /** by id */
  readonly runs: ReadonlyMap<string, RecordedRun>
  /** path and key of every request */
  readonly requests: readonly { readonly path: string; readonly key: string; readonly body: string }[]
  /** what the next requests are answered with, one each; 'hang': never */
  readonly refusals: (number | 'hang')[]
}

interface Upsert {
  readonly variables: {
    readonly name: string
    readonly project: string
    readonly entity: string | null
    readonly displayName: string
    readonly config: string
  }
}

interface Stream {
  readonly files?: Readonly<Record<string, { readonly offset: number; readonly content: readonly string[] }>>
  readonly complete?: boolean
  readonly exitcode?: number
}

export async function wandbServer(): Promise<WandbServer> {
  const runs = new Map<string, RecordedRun>()
  const requests: { path: string; key: string; body: string }[] = []
  const refusals: (number | 'hang')[] = []

  const upsert = ({ variables }: Upsert): unknown => {
    const { name, project, entity, displayName, config } = variables
    const inserted = !runs.has(name)
    const fresh = { entity: entity ?? 'me', project, displayName, history: [], summary: {}, exitCode: null }
    const run: RecordedRun = runs.get(name) ?? { ...fresh, config: {}, complete: false }
    run.displayName = displayName
    run.config = JSON.parse(config) as RecordedRun['config']
    runs.set(name, run)
    const owner = { name: project, entity: { name: run.entity } }
    return {
      data: { upsertBucket: { bucket: { name, project: owner, historyLineCount: run.history.length }, inserted } },
    }
  }
  const stream = (id: string, { files = {}, complete, exitcode }: Stream): unknown => {
    const run = runs.get(id)
    if (run === undefined) return { error: 'no such run' }
    const lines = files['wandb-history.jsonl']
    for (const [index, line] of (lines?.content ?? []).entries())
      run.history[(lines?.offset ?? 0) + index] = readJson(line)
    const summary = files['wandb-summary.json']?.content[0]
    if (summary !== undefined) run.summary = readJson(summary)
    run.complete = complete ?? false
    run.exitCode = exitcode ?? null
    return {}
  }
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    const path = request.url ?? ''
    const [, encoded = ''] = (request.headers.authorization ?? '').split(' ')
    requests.push({ path, key: Buffer.from(encoded, 'base64').toString(), body })
    const refusal = refusals.shift()
    if (refusal === 'hang') return
    const say = (status: number, content: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(content))
    }
    if (refusal !== undefined) return say(refusal, { errors: [{ message: `refused with ${refusal}` }] })
    const [, , , , id, last] = path.split('/')
    if (path === '/graphql') say(200, upsert(JSON.parse(body) as Upsert))
    else if (last === 'file_stream') say(200, stream(decodeURIComponent(id ?? ''), JSON.parse(body) as Stream))
    else say(404, {})
  }
  const server = createServer((request, response) => void answer(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    runs,
    requests,
    refusals,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** W&B's JSON knows NaN and the infinities; here they become text. */
function readJson(line: string): Record<string, unknown> {
  return JSON.parse(line.replaceAll(/:(-?Infinity|NaN)(?=[,}])/g, ':"$1"')) as Record<string, unknown>
}
