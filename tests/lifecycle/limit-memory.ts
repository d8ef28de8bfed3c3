/** For child processes of the tests: what the process has of address space, and so much more, is all that it gets. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

export function limitAddressSpace(megabytes: number): void {
  const [, kilobytes = '0'] = /VmSize:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
  const bytes = Number(kilobytes) * 1024 + megabytes * 2 ** 20
  execFileSync('prlimit', ['--pid', String(process.pid), `--as=${bytes}`])
}
