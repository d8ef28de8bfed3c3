/**
 * Trials in PostgreSQL, for workers on several machines. A worker that has not been heard of for one lease is taken for dead, and its
 * trials are started again. Waiting trials are taken with FOR UPDATE SKIP LOCKED; new ones are made one at a time, under the lock of
 * the study's row, so that each suggestion knows of all others.
 */
import type { PoolClient } from 'pg'
import { ConfigError, SnapshotError } from '../../util/errors.ts'
import { checkOptionNames } from '../../util/option-names.ts'
import type { Params } from '../space/space.ts'
import type { Trial } from '../trial.ts'
import { PostgresClient } from './postgres-client.ts'
import { SCHEMA, SELECT_TRIALS, trialOf, type TrialRow } from './postgres-schema.ts'
import { checkSameStudy, givenUp } from './state.ts'
import {
  MAX_ATTEMPTS,
  STORAGE_VERSION,
  type Claim,
  type Outcome,
  type StartRequest,
  type Storage,
  type StudyDefinition,
} from './storage.ts'

export interface PostgresOptions {
  /** seconds without a heartbeat after which a worker counts as dead, ≥ 1; default 30. Heartbeats come twice as often */
  readonly leaseSeconds?: number
}

const CLAIMED = `study = $1 AND number = $2 AND owner = $3 AND attempt = $4`

export class PostgresStorage implements Storage {
  readonly kind = 'postgres'
  readonly heartbeatEvery: number
  readonly #client: PostgresClient
  readonly #leaseSeconds: number
  #study: string | null = null

  /** @param url postgresql://user:password@host:5432/database */
  constructor(url: string, options: PostgresOptions = {}) {
    checkOptionNames('PostgresStorage', options, { leaseSeconds: true })
    const { leaseSeconds = 30 } = options
    if (!(leaseSeconds >= 1)) throw new ConfigError(`postgres storage: expected leaseSeconds ≥ 1, got ${leaseSeconds}.`)
    this.#client = new PostgresClient(url)
    this.#leaseSeconds = leaseSeconds
    this.heartbeatEvery = (leaseSeconds * 1000) / 2
  }

  async open(definition: StudyDefinition): Promise<StudyDefinition> {
    return this.#client.transaction(async (client) => {
      // Two CREATE TABLE IF NOT EXISTS at once can collide in the catalogue.
      await client.query(`SELECT pg_advisory_xact_lock(hashtext('trivium_sweep'))`)
      await client.query(SCHEMA)
      await client.query(
        `INSERT INTO trivium_sweep_studies (name, version, definition) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING`,
        [definition.name, STORAGE_VERSION, JSON.stringify(definition)],
      )
      const { rows } = await client.query<{ id: string; version: number; definition: StudyDefinition }>(
        `SELECT id, version, definition FROM trivium_sweep_studies WHERE name = $1`,
        [definition.name],
      )
      const study = rows[0]!
      this.#checkVersion(definition.name, study.version)
      checkSameStudy(study.definition, definition, this.#client.where)
      this.#study = study.id
      return study.definition
    })
  }

  async find(name: string): Promise<StudyDefinition | null> {
    return this.#client.transaction(async (client) => {
      const { rows: tables } = await client.query<{ known: boolean }>(
        `SELECT to_regclass('trivium_sweep_studies') IS NOT NULL AS known`,
      )
      if (tables[0]?.known !== true) return null
      const { rows } = await client.query<{ version: number; definition: StudyDefinition }>(
        `SELECT version, definition FROM trivium_sweep_studies WHERE name = $1`,
        [name],
      )
      if (rows[0] === undefined) return null
      this.#checkVersion(name, rows[0].version)
      return rows[0].definition
    })
  }

  async trials(): Promise<readonly Trial[]> {
    return this.#client.transaction((client) => this.#all(client))
  }

  async enqueue(params: Params, once = false): Promise<Trial> {
    return this.#client.transaction(async (client) => {
      await this.#lockStudy(client)
      if (once) {
        const { rows: known } = await client.query<{ number: number }>(
          `SELECT number FROM trivium_sweep_trials WHERE study = $1 AND attributes->>'enqueued' = 'true'
           AND params::jsonb = $2::jsonb ORDER BY number LIMIT 1`,
          [this.#id, JSON.stringify(params)],
        )
        if (known[0] !== undefined) return this.#one(client, known[0].number)
      }
      const { rows } = await client.query<{ number: number }>(
        `INSERT INTO trivium_sweep_trials (study, number, state, params, attributes)
         SELECT $1, count(*), 'waiting', $2, '{"enqueued":true}' FROM trivium_sweep_trials WHERE study = $1 RETURNING number`,
        [this.#id, JSON.stringify(params)],
      )
      return this.#one(client, rows[0]!.number)
    })
  }

  async start(owner: string, request: StartRequest): Promise<Trial | null> {
    return this.#client.transaction(async (client) => {
      await this.#takeFromTheDead(client)
      const { rows } = await client.query<{ number: number }>(
        `SELECT number FROM trivium_sweep_trials WHERE study = $1 AND state = 'waiting' AND number < $2::float8
         ORDER BY number LIMIT 1 FOR UPDATE SKIP LOCKED`,
        [this.#id, request.limit],
      )
      const number = rows[0]?.number ?? (await this.#create(client, request))
      if (number === null) return null
      await client.query(
        `UPDATE trivium_sweep_trials SET state = 'running', owner = $3, attempt = attempt + 1, started_at = now(),
         lease_until = now() + $4 * interval '1 second' WHERE study = $1 AND number = $2`,
        [this.#id, number, owner, this.#leaseSeconds],
      )
      return this.#one(client, number)
    })
  }

  async report(claim: Claim, step: number, value: number): Promise<boolean> {
    return this.#client.transaction(async (client) => {
      const { rowCount } = await client.query(
        `WITH claim AS (SELECT 1 FROM trivium_sweep_trials WHERE ${CLAIMED} AND state = 'running' FOR UPDATE)
         INSERT INTO trivium_sweep_reports (study, number, step, value) SELECT $1, $2, $5, $6 FROM claim
         ON CONFLICT (study, number, step) DO UPDATE SET value = excluded.value`,
        [...this.#claim(claim), step, value],
      )
      return rowCount === 1
    })
  }

  async finish(claim: Claim, outcome: Outcome): Promise<boolean> {
    return this.#client.transaction(async (client, isRetry) => {
      const { rowCount } = await client.query(
        `UPDATE trivium_sweep_trials SET state = $5, objective_values = $6, failure = $7, finished_at = now(), lease_until = NULL,
         attributes = (attributes::jsonb || $8::jsonb)::json WHERE ${CLAIMED} AND state = 'running'`,
        [
          ...this.#claim(claim),
          outcome.state,
          outcome.state === 'complete' ? outcome.values : null,
          outcome.state === 'failed' ? JSON.stringify(outcome.failure) : null,
          JSON.stringify(outcome.attributes ?? {}),
        ],
      )
      if (rowCount === 1 || !isRetry) return rowCount === 1
      // The connection may have broken after the first try was committed.
      const { rowCount: done } = await client.query(
        `SELECT 1 FROM trivium_sweep_trials WHERE ${CLAIMED} AND state = $5 AND finished_at IS NOT NULL`,
        [...this.#claim(claim), outcome.state],
      )
      return done === 1
    })
  }

  async release(claim: Claim): Promise<boolean> {
    return this.#client.transaction(async (client) => {
      const { rows } = await client.query<{ number: number }>(
        `SELECT number FROM trivium_sweep_trials WHERE ${CLAIMED} AND state = 'running' FOR UPDATE`,
        this.#claim(claim),
      )
      if (rows.length === 0) return false
      await this.#toWaiting(client, claim.number)
      return true
    })
  }

  async heartbeat(owner: string): Promise<void> {
    await this.#client.transaction((client) =>
      client.query(
        `UPDATE trivium_sweep_trials SET lease_until = now() + $3 * interval '1 second'
         WHERE study = $1 AND owner = $2 AND state = 'running'`,
        [this.#id, owner, this.#leaseSeconds],
      ),
    )
  }

  async close(): Promise<void> {
    await this.#client.close()
  }

  #checkVersion(name: string, version: number): void {
    if (version === STORAGE_VERSION) return
    throw new SnapshotError(
      `${this.#client.where}: study "${name}": expected storage version ${STORAGE_VERSION}, got ${version}. ` +
        'It was written by another release of Trivium: continue it with that one, or start a study of another name.',
    )
  }

  get #id(): string {
    if (this.#study === null) throw new Error('open() comes first')
    return this.#study
  }

  #claim({ number, owner, attempt }: Claim): (string | number)[] {
    return [this.#id, number, owner, attempt]
  }

  async #lockStudy(client: PoolClient): Promise<void> {
    await client.query(`SELECT 1 FROM trivium_sweep_studies WHERE id = $1 FOR UPDATE`, [this.#id])
  }

  async #all(client: PoolClient): Promise<Trial[]> {
    const { rows } = await client.query<TrialRow>(`${SELECT_TRIALS} ORDER BY t.number`, [this.#id])
    return rows.map(trialOf)
  }

  async #one(client: PoolClient, number: number): Promise<Trial> {
    const { rows } = await client.query<TrialRow>(`${SELECT_TRIALS} AND t.number = $2`, [this.#id, number])
    return trialOf(rows[0]!)
  }

  /** Adds a waiting trial with suggested parameters; null when there is none to add. */
  async #create(client: PoolClient, { limit, suggest }: StartRequest): Promise<number | null> {
    await this.#lockStudy(client)
    const history = await this.#all(client)
    const number = history.length
    const params = number < limit ? suggest(history, number) : null
    if (params === null) return null
    await client.query(
      `INSERT INTO trivium_sweep_trials (study, number, state, params) VALUES ($1, $2, 'waiting', $3)`,
      [this.#id, number, JSON.stringify(params)],
    )
    return number
  }

  async #takeFromTheDead(client: PoolClient): Promise<void> {
    const { rows } = await client.query<{ number: number; attempt: number }>(
      `SELECT number, attempt FROM trivium_sweep_trials
       WHERE study = $1 AND state = 'running' AND lease_until < now() FOR UPDATE SKIP LOCKED`,
      [this.#id],
    )
    for (const { number, attempt } of rows) {
      if (attempt < MAX_ATTEMPTS) {
        await this.#toWaiting(client, number)
        continue
      }
      const outcome = givenUp(attempt)
      await client.query(
        `UPDATE trivium_sweep_trials SET state = 'failed', failure = $3, finished_at = now(), lease_until = NULL
         WHERE study = $1 AND number = $2`,
        [this.#id, number, JSON.stringify(outcome.state === 'failed' ? outcome.failure : null)],
      )
    }
  }

  async #toWaiting(client: PoolClient, number: number): Promise<void> {
    await client.query(`DELETE FROM trivium_sweep_reports WHERE study = $1 AND number = $2`, [this.#id, number])
    await client.query(
      `UPDATE trivium_sweep_trials SET state = 'waiting', lease_until = NULL, started_at = NULL WHERE study = $1 AND number = $2`,
      [this.#id, number],
    )
  }
}
