/** ONNX Runtime is an optional dependency: it is loaded at its first use, and its absence is explained. */

import type * as ort from 'onnxruntime-node'
import { BindingError, SnapshotError } from './errors.ts'

export type OnnxRuntime = typeof ort

/** @throws {BindingError} when the package is not installed or its library does not load on this machine */
export async function loadOnnxRuntime(): Promise<OnnxRuntime> {
  try {
    return await import('onnxruntime-node')
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause)
    throw new BindingError(
      `expected the optional package onnxruntime-node, but it cannot be loaded: ${reason}. ` +
        'Install it with: npm install --ignore-scripts onnxruntime-node@1.30.0',
      { cause },
    )
  }
}

/**
 * A CPU session over a model held in memory.
 *
 * @param label what to call the model in an error, usually its path
 * @throws {SnapshotError} when ONNX Runtime refuses the model
 */
export async function openSession(
  runtime: OnnxRuntime,
  model: Uint8Array,
  options: { label: string; threads?: number },
): Promise<ort.InferenceSession> {
  try {
    return await runtime.InferenceSession.create(model, {
      executionProviders: ['cpu'],
      logSeverityLevel: 3,
      ...(options.threads === undefined ? {} : { intraOpNumThreads: options.threads }),
    })
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new SnapshotError(`${options.label}: ONNX Runtime cannot load it: ${reason}. Export the model again.`, {
      cause,
    })
  }
}
