/** Storages. A new one: one file here, one line below, one `storageSuite` line in its test. */
import { ConfigError } from '../../util/errors.ts'
import { JournalStorage, type JournalOptions } from './journal.ts'
import { MemoryStorage } from './memory.ts'
import { PostgresStorage } from './postgres.ts'
import { withoutPassword } from './postgres-client.ts'
import type { Storage } from './storage.ts'

export { JournalStorage, type JournalOptions } from './journal.ts'
export type { TryLock } from './journal-file.ts'
export { MemoryStorage } from './memory.ts'
export { PostgresStorage, type PostgresOptions } from './postgres.ts'
export { withoutPassword } from './postgres-client.ts'
export { MAX_ATTEMPTS, STORAGE_VERSION } from './storage.ts'
export type { Claim, Outcome, StartRequest, Storage, StudyDefinition, Suggest } from './storage.ts'

/**
 * `memory`, a PostgreSQL URL, or else the path of a journal. Nothing is made or asked before the storage is used.
 *
 * @throws {ConfigError} for a URL of anything else
 */
export function openStorage(target: string, options: JournalOptions = {}): Storage {
  if (target === 'memory') return new MemoryStorage()
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(target)?.[1]
  if (scheme === undefined) return new JournalStorage(target, options)
  if (/^postgres(ql)?$/i.test(scheme)) return new PostgresStorage(target)
  throw new ConfigError(
    `storage: expected the path of a journal file or a postgresql:// URL, got ${withoutPassword(target)}, a URL of ${scheme}.`,
  )
}
