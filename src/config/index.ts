/** YAML, overrides and flags → one checked configuration. Only the command line imports this folder. */
export { configSchema, type Config, type LoggingOptions } from './schema.ts'
export { resolveConfig, type ConfigRequest, type ResolvedConfig } from './resolve.ts'
export { configToPlain, configToYaml } from './save.ts'
export { configJsonSchema } from './json-schema.ts'
export { listKeys, type KeyInfo } from './describe.ts'
export { listUnavailable } from './unavailable.ts'
export { flatKeys } from './flat-keys.ts'
export { camelCase, snakeCase } from './names.ts'
