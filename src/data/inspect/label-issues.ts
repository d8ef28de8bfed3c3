/**
 * Labels that a trained model doubts: confident learning, Northcutt, Jiang and Chuang 2021 (arXiv 1911.00068), section 3.1.
 *
 * A class's threshold is the mean probability that its own samples get for it. A sample is suspicious when, among the classes
 * whose threshold its probability reaches, the most probable one is not its label.
 */

export interface LabelIssue {
  readonly index: number
  readonly label: number
  readonly suggested: number
  /** Of the given label, and of the suggested one. */
  readonly labelProbability: number
  readonly suggestedProbability: number
}

/** @param probabilities [N][classes]; @returns the least credible labels first */
export function labelIssues(labels: ArrayLike<number>, probabilities: readonly ArrayLike<number>[]): LabelIssue[] {
  const classes = probabilities[0]?.length ?? 0
  const sums = new Float64Array(classes)
  const counts = new Float64Array(classes)
  probabilities.forEach((row, index) => {
    const label = labels[index] as number
    sums[label] = (sums[label] as number) + (row[label] as number)
    counts[label] = (counts[label] as number) + 1
  })
  const thresholds = sums.map((sum, label) => (counts[label] ? sum / (counts[label]) : Infinity))
  const issues: LabelIssue[] = []
  probabilities.forEach((row, index) => {
    const label = labels[index] as number
    let suggested = -1
    for (let c = 0; c < classes; c++) {
      if ((row[c] as number) < (thresholds[c] as number)) continue
      if (suggested < 0 || (row[c] as number) > (row[suggested] as number)) suggested = c
    }
    if (suggested < 0 || suggested === label) return
    issues.push({
      ...{ index, label, suggested },
      labelProbability: row[label] as number,
      suggestedProbability: row[suggested] as number,
    })
  })
  const credit = (issue: LabelIssue): number => issue.labelProbability - issue.suggestedProbability
  return issues.sort((a, b) => credit(a) - credit(b) || a.index - b.index)
}
