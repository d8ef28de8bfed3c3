// One process at a time installs or builds in this checkout: two compilers in one build folder destroy each other's files.
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { root } from './libtorch.mjs'

let held = false

/** Whether a process of that number runs, whoever owns it. */
function runs(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

/** Takes away the lock of a process that has ended; of two that try, one succeeds. */
function clear(path, holder) {
  const aside = `${path}-${process.pid}`
  try {
    renameSync(path, aside)
  } catch {
    return // another one was faster
  }
  if (readFileSync(aside, 'utf8') === holder) rmSync(aside)
  else renameSync(aside, path)
}

/**
 * Waits until no other process builds here; the lock is given back when this process ends. A second call is free.
 *
 * @param path the lock file, which holds the process number of its owner
 */
export function lockBuild(path = join(root, 'build', '.lock')) {
  if (held) return
  mkdirSync(dirname(path), { recursive: true })
  for (let announced = false; !held;) {
    try {
      writeFileSync(path, String(process.pid), { flag: 'wx' })
      held = true
      process.once('exit', () => rmSync(path, { force: true }))
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
      let holder = ''
      try {
        holder = readFileSync(path, 'utf8')
      } catch {
        continue // given back meanwhile
      }
      if (holder !== '' && !runs(Number(holder))) {
        clear(path, holder)
        continue
      }
      if (!announced) process.stderr.write(`Waiting for process ${holder}, which builds here (${path})\n`)
      announced = true
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
    }
  }
}
