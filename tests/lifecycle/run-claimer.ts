/** A child process of the tests: says that it is there, and when its input ends, claims runs of one name and says which it got. */
import { chooseRun } from '../../src/phases/run-folder.ts'

const [root = '.', count = '1'] = process.argv.slice(2)
process.stdout.write('there\n')
process.stdin.resume()
process.stdin.on('end', () => {
  for (let i = 0; i < Number(count); i++)
    process.stdout.write(`${chooseRun(root, 'same', { phases: ['train'], resume: false }).run.name}\n`)
})
