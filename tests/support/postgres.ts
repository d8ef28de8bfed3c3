/**
 * A PostgreSQL server of the tests' own: in a temporary folder, on a Unix socket, gone afterwards. Null with a reason where PostgreSQL
 * is not installed (Debian: apt-get install postgresql).
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { tmpdir } from 'node:os'

export interface PostgresServer {
  /** of an empty database */
  readonly url: string
  stop(): void
}

export const noPostgres = 'PostgreSQL is not installed: initdb and pg_ctl were not found'

/** The folder of initdb and pg_ctl, or null. */
export function postgresPrograms(): string | null {
  const packaged = '/usr/lib/postgresql'
  const folders = [
    ...(existsSync(packaged) ? readdirSync(packaged).map((version) => join(packaged, version, 'bin')) : []),
    ...(process.env['PATH'] ?? '').split(':'),
  ]
  return folders.find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'pg_ctl'))) ?? null
}

export function startPostgres(programs: string): PostgresServer {
  const folder = mkdtempSync(join(tmpdir(), 'trivium-pg-'))
  const account = accountFor(folder)
  const data = join(folder, 'data')
  const run = (program: string, args: string[]): void => {
    // pg_ctl's server keeps what it inherits: no pipe of ours, or this would wait for its end.
    const result = spawnSync(join(programs, program), args, {
      ...account,
      cwd: folder,
      stdio: 'ignore',
      env: { ...process.env, LC_ALL: 'C' },
    })
    if (result.status !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${result.status}`)
  }
  run('initdb', ['-D', data, '-U', 'trivium', '-A', 'trust', '-E', 'UTF8', '--no-sync'])
  const options = `-k ${folder} -c listen_addresses='' -c fsync=off -c max_connections=60`
  run('pg_ctl', ['-D', data, '-w', '-t', '120', '-l', join(folder, 'server.log'), '-o', options, 'start'])
  return {
    url: `postgresql://trivium@localhost/postgres?host=${encodeURIComponent(folder)}`,
    stop() {
      run('pg_ctl', ['-D', data, '-w', '-m', 'immediate', 'stop'])
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** PostgreSQL refuses to run as root: another account gets the folder then. */
function accountFor(folder: string): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {}
  const id = (flag: string, name: string): number =>
    Number(execFileSync('id', [flag, name], { stdio: ['ignore', 'pipe', 'ignore'] }))
  const name = spawnSync('id', ['postgres'], { stdio: 'ignore' }).status === 0 ? 'postgres' : 'nobody'
  const account = { uid: id('-u', name), gid: id('-g', name) }
  chownSync(folder, account.uid, account.gid)
  chmodSync(folder, 0o755)
  return account
}
