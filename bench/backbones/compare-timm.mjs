#!/usr/bin/env node
// Runs our networks and timm's on the same random weights and input, in float32, and prints how far they are apart.
//
//   PYTHON=/path/to/python node bench/backbones/compare-timm.mjs [NAME[@SIZE] ...] [--classes 17] [--no-gradients]
//
// Compared are features, pooled features, logits, the gradient of the input and that of every parameter (through one product each), each
// as the largest difference over the largest value of timm's; and the names of the parameters, in order. Without names: one network of
// each kind at its own size and at another. The Python needs torch, timm and safetensors. Ends with 1 when anything is off by over 1e-4.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { tsImport } from 'tsx/esm/api'

const { createModel, loadWeights, torch } = await tsImport('../../src/index.ts', import.meta.url)

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
  options: { classes: { type: 'string', default: '17' }, 'no-gradients': { type: 'boolean', default: false } },
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

function makeCase(folder, name, size) {
  const flags = values['no-gradients'] ? ['--no-gradients'] : []
  const command = [join(here, 'case.py'), folder, name, String(size), values.classes, ...flags]
  const child = spawnSync(process.env.PYTHON ?? 'python3', command, { encoding: 'utf8' })
  if (child.status !== 0) throw new Error(`${name}: timm's side failed:\n${child.stderr}`)
  return JSON.parse(readFileSync(join(folder, 'case.json'), 'utf8'))
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

async function compare(name, size) {
  const folder = mkdtempSync(join(tmpdir(), 'trivium-case-'))
  try {
    const facts = makeCase(folder, name, size)
    const model = await createModel(name, { numClasses: Number(values.classes), imageSize: facts.imageSize })
    await torch.scope(async () => model.loadStateDict(await loadWeights(join(folder, 'weights.safetensors'))))
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

let failed = 0
for (const wanted of positionals.length > 0 ? positionals : defaults) {
  const [name, size = '0'] = wanted.split('@')
  const { size: used, parameters, result, same } = await compare(name, Number(size))
  const wrong = Object.values(result).some((value) => !(value <= tolerance)) || !Object.values(same).every(Boolean)
  if (wrong) failed++
  const figures = Object.entries(result).map(([what, value]) => `${what} ${value.toExponential(1)}`)
  const others = Object.entries(same).flatMap(([what, equal]) => (equal ? [] : [`other ${what}`]))
  const line = [...figures, ...others].join(', ')
  process.stdout.write(`${wrong ? 'DIFFERS' : 'equal  '} ${name}@${used} (${parameters} parameters): ${line}\n`)
}
process.exitCode = failed > 0 ? 1 : 0
