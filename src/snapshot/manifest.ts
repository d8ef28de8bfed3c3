/** manifest.json: size and SHA-256 of every file of a snapshot, and what makes a folder ours to delete. */
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { SnapshotError } from '../util/errors.ts'
import { sha256OfFile, systemCode } from '../util/files.ts'

export interface Manifest {
  readonly format: 'trivium-snapshot'
  readonly version: 1
  /** grows from snapshot to snapshot of a phase: the optimizer step */
  readonly order: number
  readonly files: Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>
}

/** What is wrong with a snapshot, told apart from the advice: whoever knows of others, or that there are none, has better advice. */
export class Damage extends SnapshotError {
  readonly what: string

  constructor(what: string, options: ErrorOptions = {}) {
    super(`${what} Take another snapshot of the run.`, options)
    this.what = what
  }

  override get name(): string {
    return 'SnapshotError'
  }
}

export const manifestName = 'manifest.json'

const manifestSchema: z.ZodType<Manifest> = z.object({
  format: z.literal('trivium-snapshot'),
  version: z.literal(1),
  order: z.number().int().min(0),
  files: z.record(
    z.string().regex(/^[a-z0-9_]+\.(safetensors|json)$/),
    z.object({ bytes: z.number().int().min(0), sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
  ),
})

/** Reads the sizes and sums of `files` back from the disk. */
export async function describeFiles(folder: string, files: readonly string[], order: number): Promise<Manifest> {
  const entries: Record<string, { bytes: number; sha256: string }> = {}
  for (const file of files) {
    const path = join(folder, file)
    entries[file] = { bytes: (await stat(path)).size, sha256: await sha256OfFile(path) }
  }
  return { format: 'trivium-snapshot', version: 1, order, files: entries }
}

/** @throws {Damage} when there is no manifest, or it is not one of ours */
export async function readManifest(folder: string): Promise<Manifest> {
  const path = join(folder, manifestName)
  let parsed: unknown
  try {
    parsed = JSON.parse(await readFile(path, 'utf8'))
  } catch (cause) {
    const why = systemCode(cause) === null ? 'it is not JSON' : `the system answered ${systemCode(cause)}`
    throw new Damage(`${path}: expected the manifest of a snapshot, but ${why}.`, { cause })
  }
  const manifest = manifestSchema.safeParse(parsed)
  if (!manifest.success) throw new Damage(`${path}: expected the manifest of a snapshot, got other JSON.`)
  return manifest.data
}

/** @throws {Damage} naming the first file that is missing, of another size, or of another sum */
export async function verifyFiles(folder: string, manifest: Manifest): Promise<void> {
  for (const [file, expected] of Object.entries(manifest.files)) {
    const path = join(folder, file)
    let bytes: number
    try {
      bytes = (await stat(path)).size
    } catch (cause) {
      throw new Damage(`${path}: expected a file of ${expected.bytes} bytes, got none.`, { cause })
    }
    if (bytes !== expected.bytes)
      throw new Damage(`${path}: expected ${expected.bytes} bytes, got ${bytes}: the file was cut off or changed.`)
    const sha256 = await sha256OfFile(path)
    if (sha256 !== expected.sha256)
      throw new Damage(`${path}: expected SHA-256 ${expected.sha256}, got ${sha256}: the file is damaged.`)
  }
}
