/**
 * ONNX serialisation: ModelProto as of onnx.proto3, field numbers in the order of the file.
 * https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3
 */

import { createHash } from 'node:crypto'
import { SnapshotError } from '../util/errors.ts'
import { IR_VERSION, OPSET, onnxTypes } from './onnx-model.ts'
import type { Attribute, Initializer, OnnxModel, OnnxNode, OnnxValue } from './onnx-model.ts'
import { ProtobufWriter } from '../util/protobuf.ts'

/** Protobuf's own limit for one message. */
const MAX_BYTES = 2 ** 31 - 1
/** Room for what follows the graph. */
const MAX_METADATA = 2 ** 24

/** AttributeProto.AttributeType and the field that holds it. */
const attributeTypes = { float: 1, int: 2, string: 3, ints: 7 } as const

/** SHA-256 of the serialised GraphProto: ONNX itself has no checksum, and a flipped bit in a weight is still a valid file. */
const GRAPH_DIGEST = 'trivium.graph_sha256'

/**
 * The model's bytes.
 *
 * @throws {SnapshotError} for a model above 2 GiB, which one ONNX file cannot hold
 */
export function serializeModel(model: OnnxModel): Buffer {
  const graph = new ProtobufWriter()
  writeGraph(graph, model)
  // Before the digest, which would read it all.
  if (graph.length > MAX_BYTES - MAX_METADATA) throw tooLarge(graph.length)
  const digest = createHash('sha256')
  for (const piece of graph.pieces) digest.update(piece)

  const out = new ProtobufWriter()
  out.int(1, IR_VERSION)
  out.string(2, 'trivium')
  out.string(3, model.producerVersion)
  out.message(7, (field) => field.append(graph))
  out.message(8, (opset) => {
    opset.string(1, '')
    opset.int(2, OPSET)
  })
  for (const [key, value] of Object.entries({ ...model.metadata, [GRAPH_DIGEST]: digest.digest('hex') })) {
    out.message(14, (entry) => {
      entry.string(1, key)
      entry.string(2, value)
    })
  }
  if (out.length > MAX_BYTES) throw tooLarge(out.length)
  return Buffer.concat(out.pieces, out.length)
}

function tooLarge(bytes: number): SnapshotError {
  return new SnapshotError(
    `export: the model has ${(bytes / 2 ** 30).toFixed(2)} GiB; an ONNX file holds at most 2 GiB. ` +
      'Export a smaller backbone, or use the TorchScript format (export.formats: [torchscript]).',
  )
}

function writeGraph(out: ProtobufWriter, model: OnnxModel): void {
  for (const node of model.nodes) out.message(1, (field) => writeNode(field, node))
  out.string(2, model.name)
  for (const initializer of model.initializers) out.message(5, (field) => writeTensor(field, initializer))
  for (const value of model.inputs) out.message(11, (field) => writeValue(field, value))
  for (const value of model.outputs) out.message(12, (field) => writeValue(field, value))
}

function writeNode(out: ProtobufWriter, node: OnnxNode): void {
  for (const name of node.inputs) out.string(1, name)
  for (const name of node.outputs) out.string(2, name)
  out.string(3, node.name)
  out.string(4, node.opType)
  for (const [name, attribute] of Object.entries(node.attributes)) {
    out.message(5, (field) => writeAttribute(field, name, attribute))
  }
}

function writeAttribute(out: ProtobufWriter, name: string, attribute: Attribute): void {
  out.string(1, name)
  if (attribute.kind === 'float') out.float(2, attribute.value)
  else if (attribute.kind === 'int') out.int(3, attribute.value)
  else if (attribute.kind === 'string') out.string(4, attribute.value)
  else for (const value of attribute.value) out.int(8, value)
  out.int(20, attributeTypes[attribute.kind])
}

function writeTensor(out: ProtobufWriter, tensor: Initializer): void {
  for (const size of tensor.shape) out.int(1, size)
  out.int(2, onnxTypes[tensor.dtype])
  out.string(8, tensor.name)
  out.bytes(9, tensor.data)
}

function writeValue(out: ProtobufWriter, value: OnnxValue): void {
  out.string(1, value.name)
  out.message(2, (type) => {
    type.message(1, (tensor) => {
      tensor.int(1, onnxTypes[value.dtype])
      tensor.message(2, (shape) => {
        for (const size of value.shape) {
          shape.message(1, (dimension) => {
            if (typeof size === 'string') dimension.string(2, size)
            else dimension.int(1, size)
          })
        }
      })
    })
  })
}
