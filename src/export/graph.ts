/** The traced graph that native/export writes: ATen operations in order, over numbered values. */

import type { DType } from '../binding/index.ts'
import { SnapshotError } from '../util/errors.ts'

/** A size of −k stands for k times the batch. */
export type SymbolicShape = readonly number[]

export interface ValueType {
  readonly dtype: DType
  readonly shape: SymbolicShape
}

/** An operation's argument. Types are explicit because JSON cannot tell 1 from 1.0; `batch` means constant × batch. */
export type Argument =
  | { readonly value: number }
  | { readonly list: readonly Argument[] }
  | { readonly type: 'none'; readonly constant: null }
  | { readonly type: 'bool'; readonly constant: boolean }
  | { readonly type: 'int' | 'batch'; readonly constant: number }
  | { readonly type: 'float'; readonly constant: number | 'NaN' | 'Infinity' | '-Infinity' }
  | { readonly type: 'string'; readonly constant: string }

export interface TracedNode {
  /** "aten::conv2d" */
  readonly op: string
  /** "Tensor", "Scalar", "" … */
  readonly overload: string
  readonly inputs: readonly (Argument & { readonly name: string })[]
  readonly outputs: readonly number[]
}

export interface TracedGraph {
  readonly inputs: readonly number[]
  readonly outputs: readonly number[]
  readonly nodes: readonly TracedNode[]
  /** value → name in the parameter map that comes with the graph */
  readonly parameters: Readonly<Record<string, string>>
  readonly types: Readonly<Record<string, ValueType>>
}

/** The binding hands the graph over as plain JSON; a wrong layout here is an addon of another version. */
export function asTracedGraph(value: unknown): TracedGraph {
  const graph = value as Partial<TracedGraph> | null
  const lists = [graph?.inputs, graph?.outputs, graph?.nodes]
  if (!lists.every(Array.isArray) || typeof graph?.parameters !== 'object' || typeof graph.types !== 'object') {
    throw new SnapshotError(
      'export: expected a traced graph with inputs, outputs, nodes, parameters and types; ' +
        'the addon is of another version than the TypeScript. Build both again: npm run build',
    )
  }
  return graph as TracedGraph
}
