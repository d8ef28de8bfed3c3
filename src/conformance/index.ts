/**
 * What every implementation of a contract must do, as suites for node:test. Ours pass them; a user's own are tested the same way:
 *
 *     samplerSuite('mine', () => new MySampler())
 */
export { augmentationSuite, type AugmentationCase } from './augmentation-suite.ts'
export { datasetSuite } from './dataset-suite.ts'
export { detectorSuite } from './detector-suite.ts'
export { prunerSuite } from './pruner-suite.ts'
export { samplerSuite, type SamplerSuiteOptions } from './sampler-suite.ts'
export { storageSuite, type StorageSuiteOptions } from './storage-suite.ts'
