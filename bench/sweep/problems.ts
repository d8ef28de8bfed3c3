/** The six problems of the sampler benchmark, to be minimized; peer.py has the same ones. */
import { Space, type Params } from '../../src/sweep/index.ts'

export interface Problem {
  readonly name: string
  readonly space: Space
  /** smallest value there is */
  readonly optimum: number
  /** standard deviation of the normal noise that the sampler sees; the table counts the value without it */
  readonly noise: number
  value(params: Params): number
}

const box = (dimensions: number, low: number, high: number): Space =>
  new Space(
    Array.from({ length: dimensions }, (_, i) => ({
      name: `x${i}`,
      distribution: { type: 'float', low, high } as const,
    })),
  )

const point = (params: Params): number[] => Object.values(params) as number[]

const mixed: Problem = {
  name: 'mixed-4',
  space: new Space([
    { name: 'lr', distribution: { type: 'float', low: 1e-5, high: 1, log: true } },
    { name: 'momentum', distribution: { type: 'float', low: 0, high: 1 } },
    { name: 'optimizer', distribution: { type: 'categorical', choices: ['sgd', 'adam', 'rmsprop', 'adagrad'] } },
    { name: 'layers', distribution: { type: 'int', low: 1, high: 20 } },
  ]),
  optimum: 0,
  noise: 0,
  value(params) {
    const { lr, momentum, optimizer, layers } = params as {
      lr: number
      momentum: number
      optimizer: string
      layers: number
    }
    const penalty = { sgd: 0.3, adam: 0, rmsprop: 0.15, adagrad: 0.6 }[optimizer] as number
    return 0.25 * (Math.log10(lr) + 2.5) ** 2 + 4 * (momentum - 0.9) ** 2 + penalty + (layers - 7) ** 2 / 50
  },
}

const rosenbrock: Problem = {
  name: 'rosenbrock-6',
  space: box(6, -2.048, 2.048),
  optimum: 0,
  noise: 0,
  value(params) {
    const x = point(params)
    return x.slice(1).reduce((sum, next, i) => sum + 100 * (next - x[i]! ** 2) ** 2 + (1 - x[i]!) ** 2, 0)
  },
}

export function branin(x: number, y: number): number {
  const b = 5.1 / (4 * Math.PI ** 2)
  return (y - b * x * x + (5 / Math.PI) * x - 6) ** 2 + 10 * (1 - 1 / (8 * Math.PI)) * Math.cos(x) + 10
}

const braninProblem: Problem = {
  name: 'branin',
  space: new Space([
    { name: 'x', distribution: { type: 'float', low: -5, high: 10 } },
    { name: 'y', distribution: { type: 'float', low: 0, high: 15 } },
  ]),
  optimum: 0.39788735772973816,
  noise: 0,
  value: ({ x, y }) => branin(x as number, y as number),
}

const ALPHA = [1, 1.2, 3, 3.2]
const A = [
  [10, 3, 17, 3.5, 1.7, 8],
  [0.05, 10, 17, 0.1, 8, 14],
  [3, 3.5, 1.7, 10, 17, 8],
  [17, 8, 0.05, 10, 0.1, 14],
]
const P = [
  [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
  [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
  [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.665],
  [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
]

const hartmann: Problem = {
  name: 'hartmann-6',
  space: box(6, 0, 1),
  optimum: -3.322368011415515,
  noise: 0,
  value(params) {
    const x = point(params)
    return -ALPHA.reduce((sum, alpha, i) => {
      return sum + alpha * Math.exp(-x.reduce((inner, xj, j) => inner + A[i]![j]! * (xj - P[i]![j]!) ** 2, 0))
    }, 0)
  },
}

const when = (parameter: string, ...values: string[]): { when: { parameter: string; values: string[] }[][] } => ({
  when: [[{ parameter, values }]],
})

const conditional: Problem = {
  name: 'conditional',
  space: new Space([
    { name: 'model', distribution: { type: 'categorical', choices: ['linear', 'svm', 'net'] } },
    { name: 'decay', distribution: { type: 'float', low: 1e-6, high: 1, log: true }, ...when('model', 'linear') },
    { name: 'c', distribution: { type: 'float', low: 1e-3, high: 1e3, log: true }, ...when('model', 'svm') },
    { name: 'gamma', distribution: { type: 'float', low: 1e-4, high: 1e1, log: true }, ...when('model', 'svm') },
    { name: 'lr', distribution: { type: 'float', low: 1e-5, high: 1, log: true }, ...when('model', 'net') },
    { name: 'dropout', distribution: { type: 'float', low: 0, high: 0.8 }, ...when('model', 'net') },
    { name: 'optimizer', distribution: { type: 'categorical', choices: ['sgd', 'adam'] }, ...when('model', 'net') },
    { name: 'momentum', distribution: { type: 'float', low: 0, high: 1 }, ...when('optimizer', 'sgd') },
  ]),
  optimum: 0.05,
  noise: 0,
  value(params) {
    const p = params as Record<string, number>
    const off = (name: string, middle: number): number => Math.log10(p[name]!) - middle
    if (params['model'] === 'linear') return 0.4 + 0.02 * off('decay', -3) ** 2
    if (params['model'] === 'svm')
      return 0.2 + 0.05 * (off('c', 1) + off('gamma', -2)) ** 2 + 0.02 * off('gamma', -2) ** 2
    const net = 0.1 * off('lr', -2) ** 2 + 1.5 * (p['dropout']! - 0.25) ** 2
    return params['optimizer'] === 'adam' ? 0.1 + net : 0.05 + net + 0.8 * (p['momentum']! - 0.9) ** 2
  },
}

const noisy: Problem = {
  name: 'noisy-4',
  space: box(4, -5, 5),
  optimum: 0,
  noise: 1,
  value: (params) => point(params).reduce((sum, x, i) => sum + (x - [1, -2, 0.5, 3][i]!) ** 2, 0),
}

export const problems: readonly Problem[] = [mixed, rosenbrock, braninProblem, hartmann, conditional, noisy]
