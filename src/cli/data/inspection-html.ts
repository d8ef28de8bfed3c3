/** The page of `data inspect`: chooses what is shown, and turns pictures into small JPEGs. */
import sharp from 'sharp'
import { inspectionSide, type InspectedPicture, type Inspection, type InspectionReader } from '../../data/index.ts'
import { inspectionPage, type PagePicture } from '../../report/index.ts'
import { facts, type SuspiciousLabel } from './facts.ts'

/** Groups, and pictures of a group, that are shown. */
const MOST_GROUPS = 20
const MOST_OF_GROUP = 6
const MOST_SAMPLES = 40

export async function inspectionHtml(
  name: string,
  found: Inspection,
  suspicious: readonly SuspiciousLabel[] | null,
  readers: readonly InspectionReader[],
): Promise<string> {
  const { classNames } = found
  const bad = new Set(found.unreadable.map(({ path }) => path))
  const shown = async (picture: InspectedPicture, caption: string): Promise<PagePicture> => {
    const reader = readers.find(({ part }) => part === picture.part) as InspectionReader
    const { pixels } = await reader.read([picture.index])
    const raw = { width: inspectionSide, height: inspectionSide, channels: 3 } as const
    const jpeg = await sharp(pixels, { raw }).jpeg({ quality: 85 }).toBuffer()
    return { source: `data:image/jpeg;base64,${jpeg.toString('base64')}`, name: picture.name, caption }
  }
  const place = ({ part, label }: InspectedPicture): string => `${classNames[label]}${part === 'all' ? '' : `, ${part}`}`
  const groups = async (list: readonly (readonly InspectedPicture[])[]): Promise<PagePicture[][]> =>
    Promise.all(
      list.slice(0, MOST_GROUPS).map(async (group) => Promise.all(group.slice(0, MOST_OF_GROUP).map((one) => shown(one, place(one))))),
    )
  const samples: PagePicture[] = []
  const [first] = readers
  for (const [label, className] of classNames.entries()) {
    if (samples.length >= MOST_SAMPLES || first === undefined) break
    const index = first.labels.findIndex((one, at) => one === label && !bad.has(first.nameOf(at)))
    if (index >= 0) samples.push(await shown({ part: first.part, index, name: first.nameOf(index), label }, className))
  }
  const doubts = (suspicious ?? []).slice(0, MOST_GROUPS * 2)
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`
  const suspects = await Promise.all(
    doubts.map((one) =>
      shown(
        one,
        `${place(one)} (${percent(one.labelProbability)}), or ${classNames[one.suggested]} (${percent(one.suggestedProbability)})?`,
      ),
    ),
  )
  const section = async (title: string, note: string, list: readonly (readonly InspectedPicture[])[]) => ({
    ...{ title, note },
    total: list.length,
    shown: await groups(list),
  })
  return inspectionPage({
    title: `Inspection of ${name}`,
    facts: facts(found, suspicious),
    classNames,
    parts: found.parts,
    dimensions: found.dimensions,
    samples,
    unreadable: found.unreadable,
    groups: [
      await section('Leaks between parts', 'The same picture is learnt from and tested on.', found.leaks),
      await section('Duplicates with different labels', 'At most one of the labels is right.', found.conflicts),
      await section('Exact duplicates', 'Files with the same bytes.', found.exactDuplicates),
      await section('Near duplicates', 'Pictures that look the same at 16 pixels: resized, recompressed, slightly changed.', found.nearDuplicates),
      ...(suspicious === null
        ? []
        : [
            {
              title: 'Suspicious labels',
              note: 'Where the run is surer of another class than of the label (confident learning). On pictures it was trained on it may have learnt the wrong label.',
              total: suspicious.length,
              shown: suspects.length === 0 ? [] : [suspects],
              shownCount: suspects.length,
            },
          ]),
    ],
  })
}
