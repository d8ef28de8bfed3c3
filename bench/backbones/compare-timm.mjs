#!/usr/bin/env node
// Runs our networks and timm's on the same random weights and input, in float32, and prints how far they are apart.
//
//   PYTHON=/path/to/python node bench/backbones/compare-timm.mjs [NAME[@SIZE] ...] [--classes 17] [--no-gradients] [--table FILE]
//   PYTHON=/path/to/python node bench/backbones/compare-timm.mjs --all [--smallest MILLIONS] [--largest MILLIONS] ...
//
// Compared are features, pooled features, logits, the gradient of the input and that of every parameter (through one product each), each
// as the largest difference over the largest value of timm's; and the names of the parameters, in order. Without names: one network of
// each kind. --all: every network of the registry that timm has, of so many million parameters, at its own image size and at another, the
// smallest first. --table appends a row of markdown for each. Memory: about five bytes a parameter, and the activations of two images.
// The Python needs torch, timm and safetensors. Ends with 1 when anything is off by over 1e-4.
//
// Gradients of networks with ReLU jump where an activation is zero but for rounding: resnet18@160 differs by 1e-2 from timm's in its
// input's gradient, and so does PyTorch's own in float32, contiguous, from its own in float64.
import { spawn } from 'node:child_process'
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { tsImport } from 'tsx/esm/api'

const { createModel, listModels, loadWeights, torch } = await tsImport('../../src/index.ts', import.meta.url)

const tolerance = 1e-4
const defaults = [
  ...['resnet18', 'resnet26@160', 'resnet50', 'resnet101', 'resnet152'],
  ...[
    'convnext_atto',
    'convnext_femto_ols',
    'convnext_zepto_rms_ols',
    'convnext_atto_rms',
    'convnext_tiny',
    'convnext_tiny_hnf',
  ],
  ...[
    'test_convnext',
    'convnextv2_atto',
    'convnextv2_atto@160',
    'convnextv2_nano',
    'convnextv2_tiny',
    'convnextv2_base',
  ],
  ...['swinv2_tiny_window8_256', 'swinv2_tiny_window8_256@224', 'swinv2_tiny_window16_256', 'swinv2_small_window8_256'],
  ...['swinv2_base_window12_192', 'swinv2_base_window12to16_192to256', 'swinv2_base_window12to24_192to384'],
  ...['vit_tiny_patch16_224', 'vit_small_patch16_224@160'],
]

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    smallest: { type: 'string', default: '0' },
    classes: { type: 'string', default: '17' },
    'no-gradients': { type: 'boolean', default: false },
    all: { type: 'boolean', default: false },
    largest: { type: 'string', default: 'Infinity' },
    table: { type: 'string' },
  },
})
const here = dirname(fileURLToPath(import.meta.url))

/** max |ours − theirs| over max |theirs|. */
function apart(ours, theirs) {
  if (ours.length !== theirs.length) return Infinity
  let largest = 0
  let difference = 0
  for (let i = 0; i < ours.length; i++) {
    difference = Math.max(difference, Math.abs(ours[i] - theirs[i]))
    largest = Math.max(largest, Math.abs(theirs[i]))
  }
  return Number.isNaN(difference) ? Infinity : difference / largest
}

const sameList = (a, b) => a.length === b.length && a.every((item, i) => item === b[i])

const peer = spawn(process.env.PYTHON ?? 'python3', [join(here, 'case.py')], { stdio: ['pipe', 'pipe', 'inherit'] })
const answers = createInterface({ input: peer.stdout })[Symbol.asyncIterator]()

async function makeCase(folder, name, imageSize) {
  const request = { folder, name, imageSize, classes: Number(values.classes), gradients: !values['no-gradients'] }
  peer.stdin.write(`${JSON.stringify(request)}\n`)
  const { value = 'it ended', done } = await answers.next()
  if (done || value !== 'ok') throw new Error(`${name}@${imageSize}: timm's side failed: ${value}`)
  return JSON.parse(readFileSync(join(folder, 'case.json'), 'utf8'))
}

/** Every network that timm has too, at its own size and at one of three quarters or so, in whole patches and windows. */
function everything() {
  const named = listModels().filter(
    ({ name, aliasOf, family, parameters }) =>
      aliasOf === '' &&
      !name.endsWith('_test') &&
      !['cifar_resnet', 'cifar_cnn', 'small_cnn', 'hybrid'].includes(family) &&
      parameters >= Number(values.smallest) * 1e6 &&
      parameters <= Number(values.largest) * 1e6,
  )
  const unit = ({ name, family }) => Number(/patch(\d+)/.exec(name)?.[1] ?? (family === 'swin_v2' ? 16 : 32))
  return named
    .sort((a, b) => a.parameters - b.parameters)
    .flatMap((entry) => {
      const patch = unit(entry)
      const other = Math.round((entry.preprocessing.imageSize * 0.7) / patch) * patch
      return [entry.name, `${entry.name}@${other}`]
    })
}

async function gradients(model, reference, facts) {
  const input = torch.tensor(reference.get('input').data(), { shape: reference.get('input').shape, requiresGrad: true })
  const logits = await model.forward(input)
  await torch.backward(torch.ops.sum(torch.ops.mul(logits, reference.get('cotangent'))))
  const products = [...model.namedParameters().values()].map((parameter) => {
    const gradient = parameter.grad
    if (gradient === null) return 0
    const flat = torch.ops.reshape(gradient.to('float64'), [-1])
    const probe = torch.ops.cos(torch.call('aten::arange', flat.shape[0], { dtype: 'float64' }))
    return torch.ops.sum(torch.ops.mul(flat, probe)).item()
  })
  return {
    'input gradient': apart(input.grad.data(), reference.get('input_gradient').data()),
    'parameter gradients': apart(products, facts.gradientProducts),
  }
}

/** Strictly, but part by part. */
async function loadParts(model, folder, parts) {
  const missing = new Set(torch.scope(() => [...model.stateDict().keys()]))
  for (let part = 0; part < parts; part++) {
    const path = join(folder, `weights-${part}.safetensors`)
    const { surplus, mismatched } = await torch.scope(async () => {
      const weights = await loadWeights(path)
      for (const given of weights.keys()) missing.delete(given)
      return model.loadStateDict(weights, { strict: false })
    })
    rmSync(path)
    const odd = [...surplus, ...mismatched]
    if (odd.length > 0) throw new Error(`${model.name} has no place for ${odd.join(', ')}`)
  }
  if (missing.size > 0) throw new Error(`${model.name}: timm has no ${[...missing].join(', ')}`)
}

async function compare(name, size) {
  const folder = mkdtempSync(join(tmpdir(), 'trivium-case-'))
  try {
    const facts = await makeCase(folder, name, size)
    const model = await createModel(name, { numClasses: Number(values.classes), imageSize: facts.imageSize })
    await loadParts(model, folder, facts.parts)
    model.eval()
    const result = await torch.scope(async () => {
      const reference = await loadWeights(join(folder, 'case.safetensors'))
      const forward = await torch.noGrad(async () => {
        const features = await model.forwardFeatures(reference.get('input'))
        const pooled = await model.pool(features)
        const logits = await model.forward(reference.get('input'))
        if (!sameList(features.shape, reference.get('features').shape))
          throw new Error(`${name}: features ${features.shape}`)
        return {
          features: apart(features.data(), reference.get('features').data()),
          pooled: apart(pooled.data(), reference.get('pooled').data()),
          logits: apart(logits.data(), reference.get('logits').data()),
        }
      })
      return values['no-gradients'] ? forward : { ...forward, ...(await gradients(model, reference, facts)) }
    })
    const names = sameList([...model.namedParameters().keys()], facts.parameterNames)
    const count = model.parameterCount === facts.parameters
    const { imageSize, ...preprocessing } = facts.preprocessing
    const own = await createdPreprocessing(model, size === 0 ? imageSize : facts.imageSize)
    const prepared = JSON.stringify(own) === JSON.stringify(preprocessing)
    model.dispose()
    return {
      size: facts.imageSize,
      parameters: facts.parameters,
      result,
      same: { names, count, preprocessing: prepared },
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function createdPreprocessing(model, expectedSize) {
  const { imageSize, mean, std, interpolation, cropFraction } = model.preprocessing
  return imageSize === expectedSize ? { mean, std, interpolation, cropFraction } : { imageSize }
}

function tell(name, { size, parameters, result, same }) {
  const wrong = Object.values(result).some((value) => !(value <= tolerance)) || !Object.values(same).every(Boolean)
  const figures = Object.entries(result).map(([what, value]) => `${what} ${value.toExponential(1)}`)
  const others = Object.entries(same).flatMap(([what, equal]) => (equal ? [] : [`other ${what}`]))
  const line = [...figures, ...others].join(', ')
  process.stdout.write(`${wrong ? 'DIFFERS' : 'equal  '} ${name}@${size} (${parameters} parameters): ${line}\n`)
  if (values.table !== undefined) {
    const cells = Object.values(result).map((value) => value.toExponential(1))
    appendFileSync(values.table, `| \`${name}\` | ${size} | ${cells.join(' | ')} |${others.join(', ')}\n`)
  }
  return wrong
}

let failed = 0
const wantedNames = values.all ? everything() : positionals.length > 0 ? positionals : defaults
for (const wanted of wantedNames) {
  const [name, size = '0'] = wanted.split('@')
  try {
    if (tell(name, await compare(name, Number(size)))) failed++
  } catch (error) {
    failed++
    process.stdout.write(`FAILED  ${wanted}: ${error.message}\n`)
  }
}
peer.stdin.end()
process.exitCode = failed > 0 ? 1 : 0
