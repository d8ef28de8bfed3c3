/** The part of the ONNX model format (onnx.proto3, IR version 8) that an export uses, as plain objects. */

export const IR_VERSION = 8
/** The first opset with LayerNormalization; IR version 8 goes with it. */
export const OPSET = 17

/** TensorProto.DataType. */
export const onnxTypes = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int16: 5,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  bfloat16: 16,
} as const

export type OnnxDType = keyof typeof onnxTypes

/** A number of TypeScript is written as FLOAT or INT by the kind given. */
export type Attribute =
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'ints'; readonly value: readonly number[] }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }

export interface OnnxNode {
  readonly name: string
  readonly opType: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes: Readonly<Record<string, Attribute>>
}

export interface Initializer {
  readonly name: string
  readonly dtype: OnnxDType
  readonly shape: readonly number[]
  /** Little-endian, row-major. */
  readonly data: Uint8Array
}

export interface OnnxValue {
  readonly name: string
  readonly dtype: OnnxDType
  /** A string names a size that is known only when the model runs. */
  readonly shape: readonly (number | string)[]
}

export interface OnnxModel {
  readonly name: string
  readonly producerVersion: string
  readonly nodes: readonly OnnxNode[]
  readonly initializers: readonly Initializer[]
  readonly inputs: readonly OnnxValue[]
  readonly outputs: readonly OnnxValue[]
  readonly metadata: Readonly<Record<string, string>>
}

export function int(value: number): Attribute {
  return { kind: 'int', value }
}
export function ints(value: readonly number[]): Attribute {
  return { kind: 'ints', value }
}
export function float(value: number): Attribute {
  return { kind: 'float', value }
}
