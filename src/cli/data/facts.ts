/** What counts of an inspection, in words. */
import { inspectionSide, type InspectedPicture, type Inspection } from '../../data/index.ts'

export interface SuspiciousLabel extends InspectedPicture {
  readonly suggested: number
  readonly labelProbability: number
  readonly suggestedProbability: number
}

/** What counts, for the summary and the page. */
export function facts(found: Inspection, suspicious: readonly SuspiciousLabel[] | null): (readonly [string, string])[] {
  const three = (values: readonly number[]): string => values.map((value) => value.toFixed(4)).join(', ')
  const sizes = found.dimensions.slice(0, 3).map(({ height, width, count }) => `${width} × ${height} (${count})`)
  const others = found.dimensions.length > 3 ? `, and ${found.dimensions.length - 3} more sizes` : ''
  const pictures = (groups: readonly (readonly unknown[])[]): string =>
    groups.length === 0 ? 'none' : `${groups.length} ${groups.length === 1 ? 'group' : 'groups'}, ${groups.reduce((sum, group) => sum + group.length, 0)} pictures`
  return [
    ...found.parts.map(({ name, count, classCounts }) => {
      const range = `${Math.min(...classCounts)} to ${Math.max(...classCounts)} a class`
      return [name, `${count} pictures, ${classCounts.length} classes, ${range}`] as const
    }),
    ['unreadable', found.unreadable.length === 0 ? 'none' : String(found.unreadable.length)],
    ['sizes', `${sizes.join(', ')}${others}`],
    ['mean', `${three(found.mean)} (central squares at ${inspectionSide} px)`],
    ['std', three(found.std)],
    ['exact duplicates', pictures(found.exactDuplicates)],
    ['near duplicates', pictures(found.nearDuplicates)],
    ['leaks', found.leaks.length === 0 ? 'none between parts' : `${pictures(found.leaks)} in more than one part`],
    ['label conflicts', found.conflicts.length === 0 ? 'none among duplicates' : `${pictures(found.conflicts)} with more than one label`],
    ...(suspicious === null ? [] : [['suspicious labels', suspicious.length === 0 ? 'none' : String(suspicious.length)] as const]),
  ]
}
