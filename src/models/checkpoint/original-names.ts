/**
 * Weights as their authors published them, under timm's names: what timm's `checkpoint_filter_fn` of each family does. Names that are
 * timm's already stay as they are.
 */
import { torch } from '../../binding/index.ts'
import type { Tensor } from '../../binding/index.ts'

type State = ReadonlyMap<string, Tensor>

export interface TimmNamed {
  readonly state: Map<string, Tensor>
  /** names of the file that the network has no place for by design: pretraining heads, mask tokens, tables, a text tower */
  readonly left: readonly string[]
  /** whether a name was changed */
  readonly renamed: boolean
}

/**
 * @param family of the registry
 * @param given the file's tensors
 * @param own the network's, for what depends on its variant
 */
export function timmNames(family: string, given: State, own: State): TimmNamed {
  const convert = converters[family]
  if (convert === undefined) return { state: new Map(given), left: [], renamed: false }
  const state = new Map<string, Tensor>()
  const left: string[] = []
  let renamed = false
  const put: Put = (from, to, tensor) => {
    if (to === null) left.push(from)
    else state.set(to, tensor)
    renamed ||= to !== null && to !== from
  }
  convert(given, own, put)
  return { state, left, renamed }
}

/** Takes a tensor of the file under its new name; null leaves it out. */
type Put = (from: string, to: string | null, tensor: Tensor) => void
type Converter = (given: State, own: State, put: Put) => void

const { ops } = torch

/** The image tower of OpenCLIP with a network of timm in it; what `used` does not name beside it, such as the text tower, is left out. */
function trunk(given: State, prefixes: readonly string[], put: Put, used: readonly string[] = []): State {
  const prefix = prefixes.find((start) => [...given.keys()].some((name) => name.startsWith(start)))
  if (prefix === undefined) return given
  const inner = new Map<string, Tensor>()
  for (const [name, tensor] of given) {
    if (name.startsWith(prefix)) inner.set(name.slice(prefix.length), tensor)
    else if (!used.includes(name)) put(name, null, tensor)
  }
  return inner
}

/** The authors' ConvNeXt (V1, V2) and what FCMAE pretraining wrote, whose sparse convolutions have their taps in front. */
const convnext: Converter = (given, own, put) => {
  if (given.has('head.norm.weight') || given.has('norm_pre.weight')) return passOn(given, put)
  if (given.has('visual.trunk.stem.0.weight')) return openClipConvnext(given, put)
  for (const [original, value] of given) {
    const name = original.replace(/^encoder\./, '')
    if (/^(projectors|norms|decoder|proj|pred)\.|^mask_token$/.test(name)) {
      put(original, null, value)
      continue
    }
    let to = name.replace(/\.(ln|linear)\.(weight|bias)$/, '.$2').replace(/\.kernel$/, '.weight')
    let tensor = name.endsWith('.kernel') ? denseKernel(value) : value
    to = to.replace(/^downsample_layers\.0\./, 'stem.').replace(/^downsample_layers\.(\d+)\./, 'stages.$1.downsample.')
    to = to.replace(/^stages\.(\d+)\.(\d+)\./, 'stages.$1.blocks.$2.')
    to = to.replace('dwconv', 'conv_dw').replace('pwconv', 'mlp.fc')
    to = to.replace('grn.beta', 'mlp.grn.bias').replace('grn.gamma', 'mlp.grn.weight')
    to = to.replace(/^head\./, 'head.fc.').replace(/^norm\./, 'head.norm.')
    if (to.includes('.grn.') || (to.endsWith('.bias') && tensor.shape.length > 1)) tensor = ops.reshape(tensor, [-1])
    const shape = own.get(to)?.shape
    if (tensor.shape.length === 2 && !to.startsWith('head') && shape !== undefined) tensor = reshaped(tensor, shape)
    put(original, to, tensor)
  }
}

/** MinkowskiEngine's kernels: [k², in, out], or [k², channels] of a depthwise one, the taps column by column. */
function denseKernel(kernel: Tensor): Tensor {
  const side = Math.round(Math.sqrt(kernel.shape[0] ?? 0))
  const [, inner = 1, outer] = kernel.shape
  const shape = outer === undefined ? [inner, 1, side, side] : [outer, inner, side, side]
  const order = outer === undefined ? [1, 0] : [2, 1, 0]
  return ops.transpose(ops.reshape(ops.permute(kernel, order), shape), 2, 3)
}

function openClipConvnext(given: State, put: Put): void {
  const heads: readonly (readonly [string, string])[] = given.has('visual.head.proj.weight')
    ? [['visual.head.proj.weight', 'head.fc.weight']]
    : [
        ['visual.head.mlp.fc1.weight', 'head.pre_logits.fc.weight'],
        ['visual.head.mlp.fc1.bias', 'head.pre_logits.fc.bias'],
        ['visual.head.mlp.fc2.weight', 'head.fc.weight'],
      ]
  const used = heads.map(([from]) => from)
  for (const [name, tensor] of trunk(given, ['visual.trunk.'], put, used)) put(`visual.trunk.${name}`, name, tensor)
  for (const [from, to] of heads) {
    const tensor = given.get(from)
    if (tensor !== undefined) put(from, to, tensor)
    if (tensor !== undefined && to === 'head.fc.weight') put(from, 'head.fc.bias', torch.zeros([tensor.shape[0] ?? 0]))
  }
}

/** Microsoft's SwinV2 downsamples at the end of a stage, timm at the start of the next. */
const swinV2: Converter = (given, _own, put) => {
  const original = given.has('layers.0.downsample.reduction.weight')
  for (const [name, tensor] of given) {
    if (/(^|\.)(relative_position_index|relative_coords_table|attn_mask)$/.test(name)) put(name, null, tensor)
    else if (!original) put(name, name, tensor)
    else {
      const moved = name.replace(/^layers\.(\d+)\.downsample/, (_, stage) => `layers.${Number(stage) + 1}.downsample`)
      put(name, moved.replace(/^head\./, 'head.fc.'), tensor)
    }
  }
}

/** Meta's DINOv2, and ViTs of the time when patches were cut by hand. */
const vit: Converter = (given, own, put) => {
  const projection = given.get('visual.head.proj.weight')
  const state = trunk(given, ['visual.trunk.'], put, ['visual.head.proj.weight'])
  if (projection !== undefined && own.has('head.weight')) {
    put('visual.head.proj.weight', 'head.weight', projection)
    put('visual.head.proj.weight', 'head.bias', torch.zeros([projection.shape[0] ?? 0]))
  }
  const positions = state.get('pos_embed')
  const hasRegisters = state.has('mask_token') && state.has('register_tokens') && positions !== undefined
  for (const [name, tensor] of state) {
    if (name === 'mask_token' || name.includes('pre_logits')) put(name, null, tensor)
    else if (name === 'register_tokens' && hasRegisters) put(name, 'reg_token', tensor)
    else if (name === 'cls_token' && hasRegisters) put(name, name, ops.add(tensor, ops.narrow(positions, 1, 0, 1)))
    else if (name === 'pos_embed' && hasRegisters) put(name, name, ops.narrow(tensor, 1, 1, (tensor.shape[1] ?? 1) - 1))
    else if (name === 'patch_embed.proj.weight' && tensor.shape.length < 4) {
      put(name, name, reshaped(tensor, own.get(name)?.shape ?? tensor.shape))
    } else
      put(
        name,
        name.replace(/(blocks\.\d+\.mlp\.)w12\./, '$1fc1.').replace(/(blocks\.\d+\.mlp\.)w3\./, '$1fc2.'),
        tensor,
      )
  }
}

/** BAAI's EVA and EVA-02 (also from EVA-CLIP), and Meta's DINOv3, whose blocks they share in timm. */
const eva: Converter = (given, own, put) => {
  const state = trunk(given, ['visual.trunk.', 'visual.'], put)
  const isDinov3 = state.has('storage_tokens')
  const masked = !isDinov3 && state.has('mask_token')
  const apart = state.has('blocks.0.attn.q_proj.weight')
  for (const [original, tensor] of state) {
    if (original.includes('rope') || isPretraining(original, isDinov3, masked)) {
      put(original, null, tensor)
      continue
    }
    if (isDinov3 && original.endsWith('qkv.bias')) {
      splitBias(original, tensor, own, put)
      continue
    }
    let name = original
    if (isDinov3) {
      name = name.replace('ls1.gamma', 'gamma_1').replace('ls2.gamma', 'gamma_2').replace('storage_tokens', 'reg_token')
    }
    if (masked && own.has('fc_norm.weight')) name = name.replace(/^norm\./, 'fc_norm.')
    name = name.replace('mlp.ffn_ln', 'mlp.norm').replace('attn.inner_attn_ln', 'attn.norm')
    name = name.replace('mlp.w12', 'mlp.fc1').replace('mlp.w1', 'mlp.fc1_g').replace('mlp.w2', 'mlp.fc1_x')
    name = name.replace('mlp.w3', 'mlp.fc2')
    if (apart) name = name.replace('q_bias', 'q_proj.bias').replace('v_bias', 'v_proj.bias')
    put(original, name, tensor)
  }
}

function isPretraining(name: string, isDinov3: boolean, masked: boolean): boolean {
  if (isDinov3) return /\.(periods|bias_mask)$|mask_token$|^projectors\.|^local_cls_norm/.test(name)
  return masked && /^(mask_token|lm_head\.(weight|bias))$/.test(name)
}

/** DINOv3 stores [q; k; v] with k fixed at 0; the distilled networks' are all 0, and timm has a variant without. */
function splitBias(name: string, bias: Tensor, own: State, put: Put): void {
  const start = name.slice(0, -'qkv.bias'.length)
  if (!own.has(`${start}q_bias`)) return put(name, null, bias)
  const width = (bias.shape[0] ?? 0) / 3
  put(name, `${start}q_bias`, ops.narrow(bias, 0, 0, width))
  put(name, `${start}v_bias`, ops.narrow(bias, 0, 2 * width, width))
}

const converters: Readonly<Record<string, Converter>> = {
  convnext,
  swin_v2: swinV2,
  vit,
  dinov2: vit,
  eva,
  dinov3: eva,
}

function passOn(given: State, put: Put): void {
  for (const [name, tensor] of given) put(name, name, tensor)
}

/** A tensor of as many values in the network's shape; of another number it stays, and is named as one that does not fit. */
function reshaped(tensor: Tensor, shape: readonly number[]): Tensor {
  const count = (sizes: readonly number[]): number => sizes.reduce((product, size) => product * size, 1)
  return count(tensor.shape) === count(shape) ? ops.reshape(tensor, [...shape]) : tensor
}
