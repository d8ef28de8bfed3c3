/** The data set doctor. */
export { fingerprint, nearDuplicates } from './duplicates.ts'
export type { Fingerprint } from './duplicates.ts'
export { inspectDataset, inspectionReaders, inspectionSide } from './inspect.ts'
export type { InspectContext, InspectedPart, InspectedPicture, Inspection, InspectionReader } from './inspect.ts'
export { labelIssues } from './label-issues.ts'
export type { LabelIssue } from './label-issues.ts'
