/**
 * The two requests of W&B's interface that a run without media needs, as W&B's own client makes them: `upsertBucket` (GraphQL), which makes the
 * run or finds it again, and `file_stream`, which takes lines of its history and its summary.
 * https://github.com/wandb/wandb: core/api/graphql, core/internal/filestream
 */
import type { Credentials } from './credentials.ts'
import { toWandbJson, type JsonItems } from './records.ts'

/** What the server knows of the run. */
export interface RemoteRun {
  readonly entity: string
  readonly project: string
  readonly id: string
  /** lines of history that it has */
  readonly historyLines: number
}

export interface RunRequest {
  readonly id: string
  readonly entity: string | null
  readonly project: string
  readonly displayName: string
  readonly host: string
  /** section → JSON text */
  readonly config: JsonItems
  /** glob → x axis of its charts */
  readonly stepMetrics: Readonly<Record<string, string>>
}

export interface StreamRequest {
  readonly files?: Readonly<Record<string, { readonly offset: number; readonly content: readonly string[] }>>
  readonly complete?: boolean
  readonly exitcode?: number
}

/** The server said no, and would say so again. */
export class RefusedError extends Error {}

/** No answer within this time counts as none. */
const timeoutMs = 30_000
/** As W&B's client has them: another try changes nothing. */
const final = new Set([400, 401, 403, 404, 409, 410])

const upsert = `mutation UpsertBucket($name: String, $project: String, $entity: String, $displayName: String, $config: JSONString, $host: String) {
  upsertBucket(input: {name: $name, modelName: $project, entityName: $entity, displayName: $displayName, config: $config, host: $host}) {
    bucket { id name project { name entity { name } } historyLineCount }
    inserted
  }
}`

interface UpsertResponse {
  readonly data?: {
    readonly upsertBucket?: {
      readonly bucket?: {
        readonly name?: string
        readonly project?: { readonly name?: string; readonly entity?: { readonly name?: string } }
        readonly historyLineCount?: number | null
      } | null
    } | null
  } | null
  readonly errors?: readonly { readonly message?: string }[]
}

export class WandbClient {
  readonly #credentials: Credentials
  readonly #userAgent: string

  constructor(credentials: Credentials, userAgent: string) {
    this.#credentials = credentials
    this.#userAgent = userAgent
  }

  get baseUrl(): string {
    return this.#credentials.baseUrl
  }

  /** Where people look at the run. */
  pageOf({ entity, project, id }: RemoteRun): string {
    const site = this.baseUrl.replace('://api.wandb.ai', '://wandb.ai')
    return `${site}/${[entity, project, 'runs', id].map(encodeURIComponent).join('/')}`
  }

  /** Makes the run, or finds the one of that id. @throws {RefusedError} when the server says no; an Error when it does not answer */
  async upsertRun(request: RunRequest, signal: AbortSignal): Promise<RemoteRun> {
    const { id: name, project, entity, displayName, host } = request
    const variables = { name, project, entity, displayName, host, config: configJson(request) }
    const body = { query: upsert, variables, operationName: 'UpsertBucket' }
    const answer = (await this.#post('graphql', body, signal)) as UpsertResponse
    if (answer.errors !== undefined && answer.errors.length > 0)
      throw new RefusedError(answer.errors.map(({ message }) => message ?? 'an error without a message').join('; '))
    const bucket = answer.data?.upsertBucket?.bucket
    const [owner, place] = [bucket?.project?.entity?.name, bucket?.project?.name]
    if (owner === undefined || place === undefined) throw new RefusedError('its answer names no run')
    return { entity: owner, project: place, id: bucket?.name ?? name, historyLines: bucket?.historyLineCount ?? 0 }
  }

  /** @throws as `upsertRun` */
  async stream({ entity, project, id }: RemoteRun, request: StreamRequest, signal: AbortSignal): Promise<void> {
    const path = ['files', entity, project, id, 'file_stream'].map(encodeURIComponent).join('/')
    await this.#post(path, request, signal)
  }

  async #post(path: string, body: object, signal: AbortSignal): Promise<unknown> {
    const key = Buffer.from(`api:${this.#credentials.apiKey}`).toString('base64')
    const response = await fetch(`${this.baseUrl}/${path}`, {
      method: 'POST',
      headers: { authorization: `Basic ${key}`, 'content-type': 'application/json', 'user-agent': this.#userAgent },
      body: JSON.stringify(body),
      redirect: 'error', // the key is for this address alone
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    })
    const text = await response.text()
    if (response.ok) return parsed(text)
    const told = `${response.status} ${response.statusText}${text === '' ? '' : `: ${text.slice(0, 200)}`}`
    throw final.has(response.status) ? new RefusedError(told) : new Error(told)
  }
}

/** Empty where the answer is no JSON: a file stream may answer with nothing. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text) ?? {}
  } catch {
    return {}
  }
}

/**
 * `{"arcface":{"value":{…}},"_wandb":{"value":{"m":[…],"t":{}}}}`: `m` are the metrics with an x axis of their own, with numbers for names and
 * the axis by its place in the list, counted from 1; a run without `t` counts as one that never began.
 */
function configJson({ config, stepMetrics }: RunRequest): string {
  const metrics = Object.entries(stepMetrics).flatMap(([glob, axis], index) => [
    { 2: glob, 5: 2 * index + 2, 6: [1], 7: [] },
    { 1: axis, 6: [], 7: [] },
  ])
  const own = Object.entries(config).map(([key, json]) => `${JSON.stringify(key)}:{"value":${json}}`)
  return `{${[...own, `"_wandb":{"value":${toWandbJson({ m: metrics, t: {} })}}`].join(',')}}`
}
