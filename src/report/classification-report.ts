/**
 * classification_report.csv in the layout of scikit-learn's text report: one row a class, then `accuracy` (in the
 * f1-score column, the other two empty), `macro avg` and `weighted avg`. The last three rows are always these, whatever
 * the classes are called.
 */
import { csvLine } from '../util/csv.ts'

export interface ReportRow {
  readonly precision: number
  readonly recall: number
  readonly f1: number
  readonly support: number
}

export interface ReportTable {
  /** [C] */
  readonly classes: readonly ReportRow[]
  readonly accuracy: number
  readonly macro: ReportRow
  readonly weighted: ReportRow
}

export function classificationReportCsv(table: ReportTable, classNames: readonly string[]): string {
  const row = (name: string, scores: ReportRow): string =>
    csvLine([name, scores.precision, scores.recall, scores.f1, scores.support])
  return [
    csvLine(['class', 'precision', 'recall', 'f1-score', 'support']),
    ...table.classes.map((scores, c) => row(classNames[c] ?? String(c), scores)),
    csvLine(['accuracy', null, null, table.accuracy, table.macro.support]),
    row('macro avg', table.macro),
    row('weighted avg', table.weighted),
  ].join('')
}
