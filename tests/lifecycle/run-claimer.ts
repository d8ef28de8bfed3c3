/** A child process of the tests: claims runs of one name, and says which it got. */
import { chooseRun } from '../../src/phases/run-folder.ts'

const [root = '.', count = '1', at = '0'] = process.argv.slice(2)
// All begin at the same instant.
while (Date.now() < Number(at));
for (let i = 0; i < Number(count); i++)
  process.stdout.write(`${chooseRun(root, 'same', { phases: ['train'], resume: false }).run.name}\n`)
