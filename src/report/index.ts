/** Tables and charts. Nothing here computes a metric: it is handed the numbers. */
export { classificationReportCsv, type ReportRow, type ReportTable } from './classification-report.ts'
export {
  confusionMatrixChart,
  confusionMatrixSpec,
  type ConfusionMatrixChartOptions,
} from './confusion-matrix-chart.ts'
export { barChartSpec, type BarChartOptions } from './bar-chart.ts'
export { inspectionPage, type InspectionPage, type PagePicture } from './inspection-page.ts'
export { contactSheet, type SheetOptions, type SheetPicture } from './contact-sheet.ts'
export { shortLabel } from './label.ts'
export {
  histogramChart,
  histogramChartSpec,
  type HistogramChartOptions,
  type HistogramPanel,
} from './histogram-chart.ts'
export { lineChart, lineChartSpec, type LineChartOptions, type LinePanel, type LineSeries } from './line-chart.ts'
export { lrRangeChartSpec, type LrRangeChartOptions } from './lr-range-chart.ts'
export { metricsJson } from './metrics-json.ts'
export { predictionsCsv, type PredictionRow } from './predictions.ts'
export { reliabilityDiagram, reliabilityDiagramSpec, type DiagramBin } from './reliability-diagram.ts'
export { renderPng, renderSvg } from './render.ts'
export { trainingCurves, type CurveRecord } from './training-curves.ts'
