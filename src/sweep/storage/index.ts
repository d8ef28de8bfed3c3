/** Storages. A new one: one file here, one line below, one `storageSuite` line in its test. */
import { JournalStorage } from './journal.ts'
import { MemoryStorage } from './memory.ts'
import { PostgresStorage } from './postgres.ts'
import type { Storage } from './storage.ts'

export { JournalStorage, type JournalOptions } from './journal.ts'
export type { TryLock } from './journal-file.ts'
export { MemoryStorage } from './memory.ts'
export { PostgresStorage, type PostgresOptions } from './postgres.ts'
export { MAX_ATTEMPTS, STORAGE_VERSION } from './storage.ts'
export type { Claim, Outcome, StartRequest, Storage, StudyDefinition, Suggest } from './storage.ts'

/** `memory`, a PostgreSQL URL, or else the path of a journal. */
export function openStorage(target: string): Storage {
  if (target === 'memory') return new MemoryStorage()
  return /^postgres(ql)?:\/\//.test(target) ? new PostgresStorage(target) : new JournalStorage(target)
}
