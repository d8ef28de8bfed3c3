/** Phase export: the classifier as ONNX and TorchScript, proven on real test images. */
import { join } from 'node:path'
import { NativeModule } from '../binding/index.ts'
import { exportOnnx, exportTorchScript } from '../export/index.ts'
import type { Phase } from './context.ts'
import { evaluationPictures } from './image-geometry.ts'
import { exportOptionsSchema, type ExportPhaseOptions } from './options/export.ts'
import { exportWeights } from './export-weights.ts'
import { openTrainedModel } from './trained-model.ts'

export const exportPhase: Phase<ExportPhaseOptions> = {
  name: 'export',
  summary: 'writes the classifier as ONNX and TorchScript and compares it with the native one',
  optionsSchema: exportOptionsSchema,
  async run(options, context) {
    const started = performance.now()
    const { source, spec, pair } = await openTrainedModel('export', options, { ...context, device: 'cpu' })
    const { imageSize, resizeTo, interpolation, mean, std, classNames } = spec
    const preprocessing = { resizeTo, imageSize, interpolation, mean, std }
    const folder = join(context.run.snapshots, 'export')
    const classifier = await NativeModule.createClassifier({
      backbone: pair.backbone,
      head: pair.head,
      logitScale: spec.logitScale,
      mean,
      std,
    })
    try {
      context.signal.throwIfAborted()
      const probes = await evaluationPictures(context.data.test, options.probes, spec)
      const common = {
        classifier,
        imageSize,
        classNames,
        preprocessing,
        probes,
        metadata: { 'trivium.run': context.run.name, 'trivium.backbone': spec.backbone.name },
      }
      const files: string[] = []
      const metrics: Record<string, number> = {}
      if (options.formats.includes('onnx')) {
        const report = await exportOnnx({ ...common, path: join(folder, 'model.onnx'), tolerance: options.tolerance })
        files.push(report.path)
        Object.assign(metrics, {
          onnxBytes: report.bytes,
          maxAbsoluteDifference: report.maxAbsoluteDifference,
          top1Agreement: report.top1Agreement,
        })
        context.logger.info(
          `export: ${report.path} agrees with the native model on ${probes.length} test images: largest difference ` +
            `${report.maxAbsoluteDifference.toExponential(1)}, same top-1 on ${(report.top1Agreement * 100).toFixed(1)} %`,
        )
      }
      context.signal.throwIfAborted()
      if (options.formats.includes('torchscript')) {
        const report = await exportTorchScript({ ...common, path: join(folder, 'model.torchscript.pt') })
        files.push(report.path)
        metrics['torchscriptBytes'] = report.bytes
        context.logger.info(`export: ${report.path}`)
      }
      context.signal.throwIfAborted()
      for (const path of await exportWeights(options.formats, folder, spec, pair.backbone)) {
        files.push(path)
        context.logger.info(`export: ${path}`)
      }
      context.signal.throwIfAborted()
      return {
        phase: 'export',
        outcome: 'finished',
        snapshot: source,
        files,
        metrics,
        seconds: (performance.now() - started) / 1000,
      }
    } finally {
      classifier.dispose()
      pair.dispose()
    }
  },
}
