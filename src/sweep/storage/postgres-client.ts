/** Connections to PostgreSQL: transactions, a few tries where the connection broke, and errors without the password. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Pool, PoolClient } from 'pg'
import { SnapshotError, TriviumError } from '../../util/errors.ts'

const PAUSES_MS = [100, 500, 2000, 5000]

export class PostgresClient {
  /** the URL without its password */
  readonly where: string
  readonly #url: string
  #pool: Pool | null = null

  constructor(url: string) {
    this.#url = url
    this.where = withoutPassword(url)
  }

  /** One transaction at READ COMMITTED. `work` may run again when the connection broke: it must not count on the first time. */
  async transaction<T>(work: (client: PoolClient, isRetry: boolean) => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#once((client) => work(client, attempt > 0))
      } catch (error) {
        if (error instanceof TriviumError) throw error
        const wait = PAUSES_MS[attempt]
        if (wait === undefined || !isConnectionLoss(error)) throw this.#explained(error)
        await pause(wait)
      }
    }
  }

  async close(): Promise<void> {
    const pool = this.#pool
    this.#pool = null
    await pool?.end()
  }

  async #once<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    const client = await (await this.#connected()).connect()
    let broken = false
    try {
      await client.query('BEGIN')
      const result = await work(client)
      await client.query('COMMIT')
      return result
    } catch (error) {
      broken = isConnectionLoss(error)
      if (!broken) await client.query('ROLLBACK').catch(() => undefined) // the first error is what counts
      throw error
    } finally {
      client.release(broken)
    }
  }

  /** `pg` is loaded at the first use: other storages do without. */
  async #connected(): Promise<Pool> {
    if (this.#pool !== null) return this.#pool
    const { default: pg } = await import('pg')
    const pool = new pg.Pool({
      connectionString: this.#url,
      max: 4,
      connectionTimeoutMillis: 10_000,
      application_name: 'trivium sweep',
    })
    pool.on('error', () => undefined) // an idle connection was closed; the next query opens another
    this.#pool ??= pool
    return this.#pool
  }

  #explained(error: unknown): Error {
    const message = error instanceof Error ? error.message || (error as NodeJS.ErrnoException).code : String(error)
    return new SnapshotError(
      `${this.where}: PostgreSQL answered: ${message}. Check that the server runs and that the URL names a database that may be written ` +
        '(postgresql://user:password@host:5432/database).',
      { cause: error },
    )
  }
}

/** Class 08: connection exceptions; 57P: shut down or starting; 40001, 40P01: told to try again. */
function isConnectionLoss(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code
  if (typeof code === 'string')
    return /^(08...|57P0[123]|40001|40P01|ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT)$/.test(code)
  return error instanceof Error && /Connection terminated|timeout exceeded when trying to connect/.test(error.message)
}

/** A URL that can be shown. */
export function withoutPassword(url: string): string {
  return url.replace(/^(\w+:\/\/[^:@/]*):[^@/]*@/, '$1:…@').replace(/password=[^&\s]*/g, 'password=…')
}
