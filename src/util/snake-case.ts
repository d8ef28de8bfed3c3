/** `batchSize`, `macroF1` → `batch_size`, `macro_f1`: names of the code as files, YAML and flags have them. */
export function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}
