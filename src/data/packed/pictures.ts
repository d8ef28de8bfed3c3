/** An opened pack. */
import { rm } from 'node:fs/promises'
import type { PackedFile } from '../../binding/index.ts'
import { DatasetError } from '../../util/errors.ts'

/** What the writer puts at the end of the file, as JSON. */
export interface PackText {
  readonly key: string
  /** Where the pictures lay when they were decoded; `reason` names files there. */
  readonly place: string
  /** Shorter side before the central square was taken. */
  readonly resizeTo: number
  readonly unreadable: readonly { readonly index: number; readonly reason: string }[]
}

export class PackedPictures {
  readonly path: string
  readonly unreadable: PackText['unreadable']
  /** Where the pictures lay when they were decoded. */
  readonly place: string
  readonly #file: PackedFile
  readonly #resizeTo: number

  /** @throws {DatasetError} when the file is of another key, or its text is not the writer's */
  constructor(path: string, file: PackedFile, key: string) {
    const text = parse(path, file.text)
    if (text.key !== key) throw new DatasetError(`${path}: not a usable cache: it is of other pictures or settings.`)
    this.path = path
    this.unreadable = text.unreadable
    this.place = text.place
    this.#file = file
    this.#resizeTo = text.resizeTo
  }

  /** @returns pixels [N, cropTo, cropTo, 3], and the rows whose stored bytes are damaged, which are not filled */
  read(indices: readonly number[], cropTo: number, room?: Uint8Array): Promise<{ pixels: Uint8Array; damaged: number[] }> {
    return this.#file.read(indices, { resizeTo: this.#resizeTo, cropTo, room })
  }

  /** Removes the file, so that the next run builds it anew; this process goes on with what it has. */
  async discard(): Promise<void> {
    await rm(this.path, { force: true }).catch(() => undefined) // it only costs space
  }
}

function parse(path: string, text: string): PackText {
  try {
    return JSON.parse(text) as PackText // the native reader has checked that these are the bytes that were written
  } catch (error) {
    throw new DatasetError(`${path}: not a usable cache: its text is no JSON.`, { cause: error })
  }
}
