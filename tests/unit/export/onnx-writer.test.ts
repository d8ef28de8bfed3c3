import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import onnxProto from 'onnx-proto'
import type { onnx } from 'onnx-proto'
import { float, int, ints } from '../../../src/export/onnx-model.ts'
import type { OnnxModel } from '../../../src/export/onnx-model.ts'
import { serializeModel } from '../../../src/export/onnx-writer.ts'
import { ProtobufWriter } from '../../../src/util/protobuf.ts'
import { SnapshotError } from '../../../src/util/errors.ts'

const model: OnnxModel = {
  name: 'tiny',
  producerVersion: '1.2.3',
  nodes: [
    {
      name: 'Conv_0',
      opType: 'Conv',
      inputs: ['image', 'weight', ''],
      outputs: ['y'],
      attributes: {
        kernel_shape: ints([3, 2]),
        group: int(-1),
        alpha: float(0.25),
        mode: { kind: 'string', value: 'é' },
        big: int(2 ** 40),
        none: ints([]),
      },
    },
  ],
  initializers: [
    { name: 'weight', dtype: 'float32', shape: [1, 2], data: new Uint8Array(new Float32Array([1.5, -2]).buffer) },
    { name: 'index', dtype: 'int64', shape: [], data: new Uint8Array(new BigInt64Array([-1n]).buffer) },
  ],
  inputs: [{ name: 'image', dtype: 'uint8', shape: ['batch', 8, 8, 3] }],
  outputs: [{ name: 'y', dtype: 'float32', shape: ['batch', 300] }],
  metadata: { 'trivium.class_names': '["é","b"]', empty: '' },
}

/** onnx-proto's own reader: an independent decoder. */
const decoded = onnxProto.onnx.ModelProto.decode(serializeModel(model))
const graph = decoded.graph as onnx.GraphProto

describe('onnx-writer', () => {
  test('writes IR version 8, opset 17 of the default domain, and the producer', () => {
    assert.equal(Number(decoded.irVersion), 8)
    assert.equal(decoded.opsetImport.length, 1)
    assert.equal(decoded.opsetImport[0]?.domain, '')
    assert.equal(Number(decoded.opsetImport[0]?.version), 17)
    assert.equal(decoded.producerName, 'trivium')
    assert.equal(decoded.producerVersion, '1.2.3')
    assert.equal(graph.name, 'tiny')
  })

  test('writes nodes with their inputs, outputs and attributes of every kind', () => {
    const [node] = graph.node
    assert.equal(node?.opType, 'Conv')
    assert.equal(node.name, 'Conv_0')
    assert.deepEqual(node.input, ['image', 'weight', ''])
    assert.deepEqual(node.output, ['y'])
    const attributes = new Map(node.attribute?.map((one) => [one.name, one]))
    const types = onnxProto.onnx.AttributeProto.AttributeType
    assert.deepEqual(attributes.get('kernel_shape')?.ints?.map(Number), [3, 2])
    assert.equal(attributes.get('kernel_shape')?.type, types.INTS)
    assert.equal(Number(attributes.get('group')?.i), -1)
    assert.equal(attributes.get('group')?.type, types.INT)
    assert.equal(Number(attributes.get('big')?.i), 2 ** 40)
    assert.equal(attributes.get('alpha')?.f, 0.25)
    assert.equal(attributes.get('alpha')?.type, types.FLOAT)
    assert.equal(Buffer.from(attributes.get('mode')?.s ?? []).toString(), 'é')
    assert.equal(attributes.get('mode')?.type, types.STRING)
    assert.deepEqual(attributes.get('none')?.ints, [])
    assert.equal(attributes.get('none')?.type, types.INTS)
  })

  test('writes initializers with type, shape and raw little-endian data', () => {
    const [weight, index] = graph.initializer
    assert.equal(weight?.name, 'weight')
    assert.equal(weight.dataType, onnxProto.onnx.TensorProto.DataType.FLOAT)
    assert.deepEqual(weight.dims?.map(Number), [1, 2])
    assert.deepEqual([...(weight.rawData ?? [])], [0, 0, 0xc0, 0x3f, 0, 0, 0, 0xc0])
    assert.equal(index?.dataType, onnxProto.onnx.TensorProto.DataType.INT64)
    assert.deepEqual(index.dims, [])
    assert.deepEqual([...(index.rawData ?? [])], Array(8).fill(255))
  })

  test('writes input and output shapes with a named batch', () => {
    const shapeOf = (value: onnx.IValueInfoProto | undefined): (string | number)[] =>
      (value?.type?.tensorType?.shape?.dim ?? []).map((size) => size.dimParam || Number(size.dimValue))
    assert.equal(graph.input[0]?.name, 'image')
    assert.equal(graph.input[0].type?.tensorType?.elemType, onnxProto.onnx.TensorProto.DataType.UINT8)
    assert.deepEqual(shapeOf(graph.input[0]), ['batch', 8, 8, 3])
    assert.equal(graph.output[0]?.name, 'y')
    assert.deepEqual(shapeOf(graph.output[0]), ['batch', 300])
  })

  test('writes the metadata and the SHA-256 of the graph', () => {
    const metadata = Object.fromEntries(decoded.metadataProps.map(({ key, value }) => [String(key), String(value)]))
    assert.equal(metadata['trivium.class_names'], '["é","b"]')
    assert.equal(metadata['empty'], '')
    const bytes = serializeModel(model)
    // The graph is field 7, written after the producer; its bytes lie in the file as they were digested.
    const digests = new Set<string>()
    const length = onnxProto.onnx.GraphProto.encode(graph).finish().length
    for (let start = 0; start + length <= bytes.length && start < 200; start++) {
      digests.add(
        createHash('sha256')
          .update(bytes.subarray(start, start + length))
          .digest('hex'),
      )
    }
    assert.ok(digests.has(metadata['trivium.graph_sha256'] ?? ''))
  })

  test('refuses a model above 2 GiB, which protobuf cannot hold', () => {
    const data = new Uint8Array(2 ** 29)
    const initializers = Array.from({ length: 5 }, (_, i) => ({
      name: `w${i}`,
      dtype: 'uint8' as const,
      shape: [2 ** 29],
      data,
    }))
    assert.throws(
      () => serializeModel({ ...model, initializers }),
      (error: unknown) => error instanceof SnapshotError && /2\.50 GiB.*at most 2 GiB/.test(error.message),
    )
  })

  test('writes varints of every length as protobuf has them', () => {
    const encode = (value: number | bigint): number[] => {
      const writer = new ProtobufWriter()
      writer.int(1, value)
      return [...Buffer.concat(writer.pieces)].slice(1)
    }
    assert.deepEqual(encode(0), [0])
    assert.deepEqual(encode(127), [127])
    assert.deepEqual(encode(128), [128, 1])
    assert.deepEqual(encode(300), [172, 2])
    assert.deepEqual(encode(-1), [255, 255, 255, 255, 255, 255, 255, 255, 255, 1])
    assert.deepEqual(encode(2n ** 63n - 1n), [255, 255, 255, 255, 255, 255, 255, 255, 127])
  })
})
