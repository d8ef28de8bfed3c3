/** Export to ONNX and TorchScript. */

export { exportOnnx, traceToOnnx } from './onnx.ts'
export type { ExportOptions, ExportReport } from './onnx.ts'
export { exportTorchScript } from './torchscript.ts'
export type { TorchScriptReport } from './torchscript.ts'
export type { ExportPreprocessing } from './metadata.ts'
export { serializeModel } from './onnx-writer.ts'
export type { OnnxModel } from './onnx-model.ts'
