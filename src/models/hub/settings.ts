/** Where the hub and its cache are: the variables that Python's huggingface_hub reads, with its defaults. */
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { ConfigError } from '../../util/errors.ts'

export interface HubSettings {
  /** Without a slash at the end: "https://huggingface.co". */
  readonly endpoint: string
  /** Holds models--org--name/ folders. */
  readonly cache: string
  readonly offline: boolean
  readonly token: string | null
  /** A request that brings nothing for so long is given up. */
  readonly timeoutSeconds: number
}

type Environment = Readonly<Record<string, string | undefined>>

/** @throws {ConfigError} when HF_ENDPOINT is no address */
export function hubSettings(environment: Environment = process.env): HubSettings {
  const home = environment['HF_HOME'] || join(environment['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'huggingface')
  const cache = environment['HF_HUB_CACHE'] || environment['HUGGINGFACE_HUB_CACHE'] || join(expand(home), 'hub')
  const seconds = Number(environment['HF_HUB_DOWNLOAD_TIMEOUT'])
  return {
    endpoint: endpointOf(environment['HF_ENDPOINT'] || 'https://huggingface.co'),
    cache: expand(cache),
    offline: isTrue(environment['HF_HUB_OFFLINE'] || environment['TRANSFORMERS_OFFLINE']),
    token: tokenOf(environment, environment['HF_TOKEN_PATH'] || join(expand(home), 'token')),
    timeoutSeconds: seconds > 0 ? seconds : 30,
  }
}

function endpointOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new ConfigError(
      `HF_ENDPOINT: expected an address such as https://huggingface.co but got "${text}". Correct or unset it.`,
    )
  }
  return text.replace(/\/+$/, '')
}

function tokenOf(environment: Environment, path: string): string | null {
  if (isTrue(environment['HF_HUB_DISABLE_IMPLICIT_TOKEN'])) return null
  const given = clean(environment['HF_TOKEN'] || environment['HUGGING_FACE_HUB_TOKEN'] || '')
  if (given !== '') return given
  try {
    return clean(readFileSync(expand(path), 'utf8')) || null
  } catch {
    return null // no file, no token: public repositories need none
  }
}

/** Copied tokens bring line ends along, which a header must not have. */
function clean(token: string): string {
  return token.replaceAll(/[\r\n]/g, '').trim()
}

function expand(path: string): string {
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : path
}

function isTrue(value: string | undefined): boolean {
  return value !== undefined && ['1', 'ON', 'YES', 'TRUE'].includes(value.toUpperCase())
}
