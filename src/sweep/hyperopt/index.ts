/**
 * hyperopt's vocabulary, usable alone: no file, no native code, nothing of the rest of the library.
 *
 *   import { fmin, hp, tpe } from 'trivium/hyperopt'
 *   const best = await fmin({ objective: ({ x }) => (x - 3) ** 2, space: { x: hp.uniform('x', -10, 10) }, algo: tpe.suggest, maxEvals: 100 })
 */
export { fmin, type FminOptions } from './fmin.ts'
export { space_eval, type Point } from './compile.ts'
export { Expression, hp } from './hp.ts'
export { partial, rand, tpe, type Algorithm, type TpeSuggestOptions } from './suggest.ts'
export { Trials, type Result, type TrialDocument } from './trials.ts'
export * from './status.ts'
