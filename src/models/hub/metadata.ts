/** What the hub says of a file before it is fetched: its commit, its size and the sum of its bytes. */
import { SnapshotError } from '../../util/errors.ts'
import { connectionProblem, isBusy } from '../../util/download.ts'
import type { Digest } from '../../util/download.ts'
import { fetchFollowing } from '../../util/redirects.ts'
import { fileUrl, isCommit } from './address.ts'
import type { HubAddress } from './address.ts'
import type { HubSettings } from './settings.ts'

export interface HubFile {
  readonly commit: string
  /** Its name among the blobs, which is its digest. */
  readonly etag: string
  readonly digest: Digest
  readonly size: number
}

/** The hub cannot be asked now; what lies in the cache may do. */
export class HubUnreachable extends Error {}

export function hubHeaders({ token }: HubSettings): Record<string, string> {
  return { 'user-agent': 'trivium', ...(token === null ? {} : { authorization: `Bearer ${token}` }) }
}

/**
 * @returns null when the repository has no such file
 * @throws {HubUnreachable} when there is no answer
 * @throws {SnapshotError} when the repository or revision does not exist or is closed, or the answer is no hub's
 */
export async function hubFile(
  address: HubAddress,
  file: string,
  settings: HubSettings,
  signal?: AbortSignal,
): Promise<HubFile | null> {
  const url = fileUrl(settings.endpoint, address, file)
  const response = await head(url, settings, signal)
  const { status, headers } = response
  const problem = headers.get('x-error-code')
  if (status === 404 && problem === 'EntryNotFound') return null
  if (isBusy(status)) throw new HubUnreachable(`${settings.endpoint} answered ${status}`)
  if (status >= 400) throw refused(address, status, problem, settings)
  const commit = headers.get('x-repo-commit') ?? ''
  const etag = (headers.get('x-linked-etag') ?? headers.get('etag') ?? '').replace(/^W\//, '').replaceAll('"', '')
  const length = headers.get('x-linked-size') ?? (status < 300 ? headers.get('content-length') : null)
  const size = Number(length ?? Number.NaN)
  const kind = /^[0-9a-f]{64}$/.test(etag) ? 'sha256' : /^[0-9a-f]{40}$/.test(etag) ? 'git-sha1' : null
  if (!isCommit(commit) || kind === null || !Number.isSafeInteger(size) || size < 0) {
    throw new SnapshotError(
      `${url}: expected the commit, size and checksum that a Hugging Face Hub states, but the answer lacks them. ` +
        'Check HF_ENDPOINT and the network, or fetch the file by hand and give its path.',
    )
  }
  return { commit, etag, digest: { kind, value: etag }, size }
}

async function head(url: string, settings: HubSettings, signal: AbortSignal | undefined): Promise<Response> {
  const timeout = AbortSignal.timeout(settings.timeoutSeconds * 1000)
  try {
    return await fetchFollowing(url, {
      method: 'HEAD',
      headers: { ...hubHeaders(settings), 'accept-encoding': 'identity' },
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      // A renamed repository leads to its new name on the hub; another host would be the storage, which does not know the headers.
      follows: (from, to) => from.origin === to.origin,
    })
  } catch (error) {
    signal?.throwIfAborted()
    const why = timeout.aborted ? `no answer came for ${settings.timeoutSeconds} s` : connectionProblem(error).why
    throw new HubUnreachable(`${settings.endpoint}: ${why}`, { cause: error })
  }
}

function refused(address: HubAddress, status: number, code: string | null, settings: HubSettings): SnapshotError {
  const { repo, revision } = address
  const page = `${settings.endpoint}/${repo}`
  const login =
    settings.token === null
      ? 'Set HF_TOKEN, or log in with Python’s hf auth login.'
      : 'The token of HF_TOKEN or the token file has no access to it.'
  if (code === 'GatedRepo') {
    return new SnapshotError(`${repo}: its weights are gated. Accept the terms on ${page}. ${login}`)
  }
  if (code === 'RevisionNotFound') {
    return new SnapshotError(`${repo}: it has no revision "${revision}". ${page} lists branches and tags.`)
  }
  if (status === 401 || status === 403 || code === 'RepoNotFound') {
    return new SnapshotError(`${repo}: there is no such repository at ${settings.endpoint}, or it is private. ${login}`)
  }
  return new SnapshotError(
    `${page}: the hub answered ${status}. Try again later, or fetch the file by hand and give its path.`,
  )
}
