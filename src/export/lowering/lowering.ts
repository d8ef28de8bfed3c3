/** What the table maps an operation to. */
import type { GraphBuilder } from './builder.ts'
import type { Call } from './call.ts'

/** Emits the nodes of one operation and binds its results. */
export type Lowering = (call: Call, builder: GraphBuilder) => void
