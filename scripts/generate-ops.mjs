#!/usr/bin/env node
// Writes src/binding/operators.generated.ts: typed functions for the operators below, from LibTorch's own schemas.
//
//   node scripts/generate-ops.mjs            (needs the built addon; --check only compares)
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { format, resolveConfig } from 'prettier'

/** Facade name → operator, where the name alone (camelCase of the ATen name, no overload) does not say it. */
const overloads = {
  add: 'add.Tensor',
  sub: 'sub.Tensor',
  mul: 'mul.Tensor',
  div: 'div.Tensor',
  pow: 'pow.Tensor_Scalar',
  eq: 'eq.Tensor',
  ne: 'ne.Tensor',
  lt: 'lt.Tensor',
  le: 'le.Tensor',
  gt: 'gt.Tensor',
  ge: 'ge.Tensor',
  where: 'where.self',
  sum: 'sum.dim_IntList',
  mean: 'mean.dim',
  variance: 'var.correction',
  std: 'std.correction',
  maxDim: 'max.dim',
  minDim: 'min.dim',
  softmax: 'softmax.int',
  logSoftmax: 'log_softmax.int',
  flatten: 'flatten.using_ints',
  transpose: 'transpose.int',
  squeeze: 'squeeze.dim',
  split: 'split.Tensor',
  select: 'select.int',
  slice: 'slice.Tensor',
  scatter: 'scatter.src',
  index: 'index.Tensor',
  maskedFill: 'masked_fill.Scalar',
  arange: 'arange.start',
  fullLike: 'full_like',
  linalgSvd: 'linalg_svd',
}
const plain =
  `abs neg exp log log1p expm1 sqrt rsqrt sin cos tan tanh sigmoid relu gelu silu erf reciprocal square sign floor ceil round
  maximum minimum clamp clamp_min clamp_max logical_not logical_and logical_or isfinite isnan isclose equal allclose
  matmul mm bmm addmm linear dot outer einsum
  max min amax amin argmax argmin logsumexp cumsum all any linalg_vector_norm topk sort
  cross_entropy_loss nll_loss mse_loss kl_div binary_cross_entropy_with_logits cosine_similarity softplus
  cat stack reshape view permute t unsqueeze expand contiguous clone chunk narrow index_select gather one_hot tril triu diagonal
  flip roll repeat nonzero bincount
  zeros ones full eye rand randn zeros_like ones_like
  layer_norm group_norm conv2d max_pool2d adaptive_avg_pool2d scaled_dot_product_attention
  linalg_inv linalg_cholesky linalg_eigh linalg_qr linalg_solve`.split(/\s+/)

const camel = (name) => name.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase())
const table = new Map(plain.map((name) => [camel(name), name]))
for (const [name, operator] of Object.entries(overloads)) table.set(name, operator)

const addon = createRequire(import.meta.url)(
  process.env.TRIVIUM_ADDON ?? fileURLToPath(new URL('../build/Release/trivium.node', import.meta.url)),
)

/** "aten::sum.dim_IntList(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor" in parts. */
function parse(schema) {
  const [, body, results] = /^[^(]*\((.*)\) -> (.*)$/.exec(schema)
  const parts = body.match(/(?:[^,(\[]|\([^)]*\)|\[[^\]]*\])+/g) ?? []
  let keywordOnly = false
  const parameters = []
  for (const part of parts.map((text) => text.trim()).filter(Boolean)) {
    if (part === '*') {
      keywordOnly = true
      continue
    }
    const match = /^(.+?)\s+(\w+)(?:=(.*))?$/.exec(part)
    if (!match) throw new Error(`cannot read "${part}" in ${schema}`)
    const [, type, name, fallback] = match
    parameters.push({ type: type.replace(/\([a-z!]+\)/g, ''), name, fallback, keywordOnly })
  }
  return { parameters, results }
}

function argumentType(type, isFirst) {
  if (type.endsWith('?')) return `${argumentType(type.slice(0, -1), true)} | null`
  if (type === 'Tensor') return isFirst ? 'Tensor' : 'Tensor | number'
  if (type === 'Tensor[]') return 'readonly Tensor[]'
  if (type === 'Tensor?[]') return 'readonly (Tensor | null)[]'
  if (/^(Sym)?[Ii]nt\[\d+\]$/.test(type) || /^float\[\d+\]$/.test(type)) return 'number | readonly number[]'
  if (/^((Sym)?[Ii]nt|float|Scalar)\[\]$/.test(type)) return 'readonly number[]'
  if (type === 'bool') return 'boolean'
  if (type === 'ScalarType') return 'DType'
  if (/^(int|SymInt|float|Scalar)$/.test(type)) return 'number'
  return 'string'
}

const resultType = (text) => {
  if (text.startsWith('('))
    return `[${text
      .slice(1, -1)
      .split(',')
      .map((item) => resultType(item.trim().split(/\s+/)[0]))
      .join(', ')}]`
  const type = text.replace(/\([a-z!]+\)/g, '')
  if (type === 'Tensor[]') return 'Tensor[]'
  return type === 'Tensor' ? 'Tensor' : type === 'bool' ? 'boolean' : 'number'
}

const reserved = { where: 'where', var: 'variance', default: 'fallback', in: 'input' }
const lines = []
for (const [name, operator] of [...table].sort(([a], [b]) => (a < b ? -1 : 1))) {
  const schema = addon.operatorSchema(`aten::${operator}`)
  const { parameters, results } = parse(schema)
  const skipped = /^(Layout|Generator|Device|MemoryFormat)\??$/
  const shown = parameters.filter(
    ({ type, keywordOnly }) => !(keywordOnly && skipped.test(type) && !/^(Device|MemoryFormat)/.test(type)),
  )
  const optional = ({ type, fallback }) => fallback !== undefined || type.endsWith('?')
  const positional = shown.filter(({ keywordOnly }) => !keywordOnly)
  const list = positional.map((p, i) => {
    const rest = positional.slice(i).every(optional)
    return `${reserved[p.name] ?? camel(p.name)}${rest ? '?' : ''}: ${argumentType(p.type, i === 0)}`
  })
  const keywords = shown
    .filter(({ keywordOnly }) => keywordOnly)
    .map((p) => `${p.name}?: ${argumentType(p.type, false)}`)
  if (keywords.length > 0) list.push(`options?: { ${keywords.join('; ')} }`)
  lines.push({ name, operator, schema, signature: `(${list.join(', ')}): ${resultType(results)}` })
}

const source = `// Generated by scripts/generate-ops.mjs from LibTorch's operator schemas. Do not edit.
import { operator } from './operators.ts'
import type { Tensor, DType } from './tensor.ts'

/** Typed functions for common ATen operators; \`torch.call\` reaches all others. */
export interface Ops {
${lines.map(({ name, schema, signature }) => `  /** ${schema.replaceAll('*/', '* /')} */\n  ${name}${signature}`).join('\n')}
}

// Resolved when the module is loaded: a name that this LibTorch does not have fails here, not in the middle of a run.
export const ops: Ops = {
${lines.map(({ name, operator }) => `  ${name}: operator('aten::${operator}') as Ops['${name}'],`).join('\n')}
}
`
const path = fileURLToPath(new URL('../src/binding/operators.generated.ts', import.meta.url))
const text = await format(source, { ...(await resolveConfig(path)), filepath: path })
if (process.argv.includes('--check')) {
  if (readFileSync(path, 'utf8') !== text) {
    process.stderr.write(`${path} is not what the schemas of this LibTorch give. Run node scripts/generate-ops.mjs\n`)
    process.exitCode = 1
  }
} else {
  writeFileSync(path, text)
}
