/** Experiments side by side: the table and its written analysis. */
export { spearman, writtenAnalysis, type Paragraph } from './analysis.ts'
export {
  bestEpoch,
  measureFor,
  ranked,
  settingText,
  varyingKeys,
  type Epoch,
  type Experiment,
  type Measure,
} from './experiment.ts'
export { comparisonTable, keyTitles, markdownTable, type ComparisonTable } from './table.ts'
