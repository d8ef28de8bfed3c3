/** Names of what lies on the Hugging Face Hub: `hf:<repository>[@<revision>]`. */
import { ConfigError } from '../../util/errors.ts'

export interface HubAddress {
  /** "timm/resnet18.a1_in1k" */
  readonly repo: string
  /** A branch, a tag or a commit; "main" when none is given. */
  readonly revision: string
}

const part = /^[A-Za-z0-9_](?:[\w.-]{0,94}[\w])?$/
const revisionWords = /^[\w.-]+(?:\/[\w.-]+)*$/

/** @throws {ConfigError} for anything but `hf:<repository>[@<revision>]` with names that the hub allows */
export function parseHubAddress(text: string): HubAddress {
  const [, repo = '', revision = 'main'] = /^hf:([^@]*)(?:@(.*))?$/s.exec(text) ?? []
  const parts = repo.split('/')
  const named = parts.length <= 2 && parts.every((word) => part.test(word) && !/--|\.\./.test(word))
  if (!named || !revisionWords.test(revision) || revision.includes('..')) {
    throw new ConfigError(
      `expected hf:<repository>[@<revision>] such as hf:timm/resnet18.a1_in1k but got "${text}". Correct the name.`,
    )
  }
  return { repo, revision }
}

/** A full commit, which never changes. */
export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision)
}

export function fileUrl(endpoint: string, { repo, revision }: HubAddress, name: string): string {
  const path = name.split('/').map(encodeURIComponent).join('/')
  return `${endpoint}/${repo}/resolve/${encodeURIComponent(revision)}/${path}`
}
