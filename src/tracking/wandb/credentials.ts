/** Where runs are sent, and with which key: the variables and files of W&B's own client. */
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { ConfigError } from '../../util/errors.ts'

export interface Credentials {
  /** of the programming interface, without a slash at the end */
  readonly baseUrl: string
  readonly apiKey: string
}

const option = ['logging', 'wandb', 'mode']

/**
 * WANDB_BASE_URL, or W&B's own service; WANDB_API_KEY, or the password of that host in $NETRC or ~/.netrc.
 *
 * @throws {ConfigError} when there is no key, or what is there cannot be one
 */
export function findCredentials(env: NodeJS.ProcessEnv = process.env, home: string = homedir()): Credentials {
  const baseUrl = (env['WANDB_BASE_URL'] ?? '').trim() || 'https://api.wandb.ai'
  const host = hostOf(baseUrl)
  if (host === null)
    throw new ConfigError(
      `logging.wandb.mode: online: expected WANDB_BASE_URL to be an address such as https://api.wandb.ai, got ${JSON.stringify(baseUrl)}.`,
      { option },
    )
  if (new URL(baseUrl).username !== '' || new URL(baseUrl).password !== '')
    throw new ConfigError(
      `logging.wandb.mode: online: expected WANDB_BASE_URL without a name or password, got one with them for ${host}. ` +
        'Set WANDB_API_KEY, which is sent as W&B wants it.',
      { option },
    )
  const fromEnvironment = (env['WANDB_API_KEY'] ?? '').trim()
  const netrc = env['NETRC'] ?? join(home, '.netrc')
  const apiKey = fromEnvironment || (passwordOf(host, textOf(netrc)) ?? '')
  const source = fromEnvironment === '' ? netrc : 'WANDB_API_KEY'
  if (apiKey === '')
    throw new ConfigError(
      `logging.wandb.mode: online: expected a key in WANDB_API_KEY or for ${host} in ${netrc}, found none. ` +
        'Set the variable to the key of your account (wandb.ai/authorize), or use mode: offline and run `wandb sync` later.',
      { option },
    )
  if (!/^[\w.-]{40,}$/.test(apiKey))
    throw new ConfigError(
      `logging.wandb.mode: online: expected a key of 40 or more letters and digits in ${source}, got ${apiKey.length} characters` +
        `${apiKey.length < 40 ? '' : ', some of them others'}. Copy it again from wandb.ai/authorize, or use mode: offline.`,
      { option },
    )
  return { baseUrl: baseUrl.replace(/\/+$/, ''), apiKey }
}

function hostOf(address: string): string | null {
  try {
    const { protocol, host } = new URL(address)
    return protocol === 'https:' || protocol === 'http:' ? host : null
  } catch {
    return null
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** The password of `machine host`, or of `default`; null: neither is there. */
export function passwordOf(host: string, netrc: string): string | null {
  const lines = netrc.split('\n').filter((line) => !line.trim().startsWith('#'))
  const words = [...lines.join('\n').matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    ([, double, single, plain]) => double ?? single ?? plain ?? '',
  )
  let machine: string | null = null
  let fallback: string | null = null
  for (let at = 0; at < words.length; at++) {
    if (words[at] === 'machine') machine = words[++at] ?? ''
    else if (words[at] === 'default') machine = ''
    else if (words[at] === 'login' || words[at] === 'account') at++
    else if (words[at] === 'password') {
      const password = words[++at] ?? ''
      if (machine === host) return password
      if (machine === '') fallback ??= password
    }
  }
  return fallback
}
