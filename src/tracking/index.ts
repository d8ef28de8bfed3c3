/** What a run measured, epoch by epoch: the local truth of which any tracker is a copy. */
export { HistoryWriter, readHistory, type HistoryOptions } from './history.ts'
export type { EpochRecord } from './record.ts'
