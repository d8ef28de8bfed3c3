/** Requests that follow redirects by themselves, so that credentials stay with the host that they were meant for. */

const MOST = 10
const CREDENTIALS = ['authorization', 'cookie']

export interface FollowingRequest {
  readonly method?: 'GET' | 'HEAD' | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly signal?: AbortSignal | undefined
  /** Whether a redirect is followed; default: always. One that is not is the answer. */
  readonly follows?: ((from: URL, to: URL) => boolean) | undefined
}

/**
 * fetch, but `authorization` and `cookie` are sent to the first address's origin alone (scheme, host and port), whatever
 * happens on the way: once a redirect has left it, they do not come back.
 *
 * @throws what fetch throws; an Error after 10 redirects, or one to something else than http(s)
 */
export async function fetchFollowing(address: string, request: FollowingRequest = {}): Promise<Response> {
  const { method = 'GET', signal, follows = () => true } = request
  let headers = lowerCase(request.headers ?? {})
  let url = new URL(address)
  for (let hops = 0; ; hops++) {
    const response = await fetch(url, { method, headers, redirect: 'manual', ...(signal ? { signal } : {}) })
    const location = response.headers.get('location')
    if (![301, 302, 303, 307, 308].includes(response.status) || location === null) return response
    const next = new URL(location, url)
    if (!follows(url, next)) return response
    await response.body?.cancel().catch(() => undefined)
    if (hops === MOST) throw new Error(`more than ${MOST} redirects from ${new URL(address).origin}`)
    if (next.protocol !== 'http:' && next.protocol !== 'https:') throw new Error(`a redirect to ${next.protocol}`)
    if (next.origin !== url.origin) {
      headers = Object.fromEntries(Object.entries(headers).filter(([name]) => !CREDENTIALS.includes(name)))
    }
    url = next
  }
}

function lowerCase(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}
