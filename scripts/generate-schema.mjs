// Writes configs/schema.json and the key tables of docs/configuration.md from the option schemas. Run it after changing an option:
//   node scripts/generate-schema.mjs
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { format } from 'prettier'
import { tsImport } from 'tsx/esm/api'

const file = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url))
const { configJsonSchema, configReference } = await tsImport('../src/config/index.ts', import.meta.url)

writeFileSync(file('configs/schema.json'), `${JSON.stringify(configJsonSchema(), null, 2)}\n`)

const begin = '<!-- generated: keys -->'
const end = '<!-- end of generated -->'
const path = file('docs/configuration.md')
const text = readFileSync(path, 'utf8')
const [from, to] = [text.indexOf(begin), text.indexOf(end)]
if (from < 0 || to < from) throw new Error(`docs/configuration.md: expected the markers "${begin}" and "${end}"`)
const joined = `${text.slice(0, from)}${begin}\n\n${configReference()}\n\n${text.slice(to)}`
writeFileSync(path, await format(joined, { parser: 'markdown', printWidth: 120 }))
console.log('configs/schema.json and docs/configuration.md are current')
