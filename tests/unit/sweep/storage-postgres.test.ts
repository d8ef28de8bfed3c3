import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { PostgresStorage } from '../../../src/sweep/index.ts'
import { definition, storageSuite } from '../../../src/conformance/storage-suite.ts'
import { noPostgres, postgresPrograms, startPostgres, type PostgresServer } from '../../support/postgres.ts'

const programs = postgresPrograms()
const skip = programs === null ? noPostgres : false
let server: PostgresServer

before(() => {
  if (programs !== null) server = startPostgres(programs)
})
after(() => server?.stop())

/** Each place is a database of its own. */
async function urlOf(place: string): Promise<string> {
  const name = place.replaceAll(/\W/g, '_')
  await withClient(server.url, async (client) => {
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name])
    if (rowCount === 0) await client.query(`CREATE DATABASE ${name}`)
  })
  return server.url.replace('/postgres?', `/${name}?`)
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

storageSuite('postgres', {
  skip,
  shared: true,
  create: async (place) => new PostgresStorage(await urlOf(place), { leaseSeconds: 1 }),
  async kill(storage) {
    await storage.close()
    await pause(1100)
  },
})

describe('postgres storage', { skip }, () => {
  it('makes its tables once, however many open it at the same moment', async () => {
    const url = await urlOf('together')
    const storages = Array.from({ length: 6 }, () => new PostgresStorage(url))
    await Promise.all(storages.map((storage) => storage.open(definition())))
    const rows = await withClient(url, (client) => client.query('SELECT name FROM trivium_sweep_studies'))
    assert.equal(rows.rowCount, 1)
    await Promise.all(storages.map((storage) => storage.close()))
  })

  it('holds several studies', async () => {
    const url = await urlOf('several')
    const [one, two] = [new PostgresStorage(url), new PostgresStorage(url)]
    await one.open(definition())
    await two.open(definition({ name: 'other', seed: 9 }))
    await one.enqueue({ lr: 0.1, kind: 3 })
    assert.equal((await one.trials()).length, 1)
    assert.equal((await two.trials()).length, 0)
    await Promise.all([one.close(), two.close()])
  })

  it('keeps a worker alive that sends heartbeats', async () => {
    const url = await urlOf('heartbeat')
    const [slow, other] = [new PostgresStorage(url, { leaseSeconds: 1 }), new PostgresStorage(url, { leaseSeconds: 1 })]
    await slow.open(definition())
    await other.open(definition())
    const suggest = (): { lr: number; kind: number } => ({ lr: 0.1, kind: 3 })
    await slow.start('slow', { limit: 2, suggest })
    for (let i = 0; i < 5; i++) {
      await pause(400)
      await slow.heartbeat('slow')
    }
    assert.equal((await other.start('other', { limit: 2, suggest }))!.number, 1)
    assert.equal((await other.trials())[0]!.owner, 'slow')
    await Promise.all([slow.close(), other.close()])
  })

  it('goes on after the server has closed its connections', async () => {
    const url = await urlOf('broken')
    const storage = new PostgresStorage(url)
    await storage.open(definition())
    await withClient(server.url, (client) =>
      client.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'broken'`),
    )
    await storage.enqueue({ lr: 0.1, kind: 3 })
    assert.equal((await storage.trials()).length, 1)
    await storage.close()
  })

  it('refuses the storage of another version, and changes nothing', async () => {
    const url = await urlOf('version')
    const storage = new PostgresStorage(url)
    await storage.open(definition())
    await withClient(url, (client) => client.query('UPDATE trivium_sweep_studies SET version = 99'))
    await assert.rejects(storage.open(definition()), /SnapshotError|expected storage version 1, got 99/)
    await storage.close()
  })

  it('says where it could not write, without the password', async () => {
    const storage = new PostgresStorage(server.url.replace('trivium@', 'nobody-here:secret@'))
    await assert.rejects(storage.open(definition()), (error: Error) => {
      assert.match(error.message, /PostgreSQL answered: role "nobody-here" does not exist/)
      assert.doesNotMatch(error.message, /secret/)
      return true
    })
    await storage.close()
  })
})
