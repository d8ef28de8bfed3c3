/** What a run measured, epoch by epoch: the local truth of which any tracker is a copy; and the trackers. */
export { HistoryWriter, readHistory, type HistoryOptions } from './history.ts'
export type { EpochRecord } from './record.ts'
export { wandbOptionsSchema, type WandbOptions } from './wandb/options.ts'
export { WandbTracker, type TrackedRun, type WandbTrackerOptions } from './wandb/tracker.ts'
