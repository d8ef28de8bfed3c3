/** What an export writes for those who go on with the weights: the merged backbone, or its adapters alone. */
import { join } from 'node:path'
import { torch, type NativeModule } from '../binding/index.ts'
import { adapterOptions, hasAdapters, saveAdapters, saveSafetensors } from '../models/index.ts'
import { ConfigError } from '../util/errors.ts'
import type { NetworkSpec } from './networks.ts'
import type { ExportFormat } from './options/export.ts'

/**
 * @param backbone as loadNetworks gives it: with its adapters merged
 * @returns the files written
 * @throws {ConfigError} when adapters are asked for and the network has none
 */
export async function exportWeights(
  formats: readonly ExportFormat[],
  folder: string,
  spec: NetworkSpec,
  backbone: NativeModule,
): Promise<string[]> {
  const files: string[] = []
  const { name } = spec.backbone
  if (formats.includes('safetensors')) {
    const path = join(folder, 'backbone.safetensors')
    await torch.scope(() =>
      saveSafetensors(path, backbone.stateDict(), {
        format: 'pt',
        'trivium.backbone': name,
        trivium: JSON.stringify(spec),
      }),
    )
    files.push(path)
  }
  if (formats.includes('adapters')) {
    if (!hasAdapters(spec.backbone))
      throw new ConfigError(
        `export.formats: expected a network with adapters to export them, but ${name} was trained without. Remove adapters from the list.`,
      )
    const path = join(folder, 'adapters.safetensors')
    await backbone.unmergeAdapters()
    try {
      const parts = { name, native: backbone, adapters: adapterOptions(spec.backbone) }
      await torch.scope(() => saveAdapters(path, parts))
    } finally {
      await backbone.mergeAdapters()
    }
    files.push(path)
  }
  return files
}
