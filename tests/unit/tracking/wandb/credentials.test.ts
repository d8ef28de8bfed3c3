import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { findCredentials, passwordOf } from '../../../../src/tracking/wandb/credentials.ts'
import { ConfigError } from '../../../../src/util/errors.ts'

const home = mkdtempSync(join(tmpdir(), 'trivium-netrc-'))
after(() => rmSync(home, { recursive: true, force: true }))
const key = (letter: string): string => letter.repeat(40)

describe('wandb credentials', () => {
  test('are the key of the variable, before that of the file; the address is W&B unless it is given', () => {
    writeFileSync(join(home, '.netrc'), `machine api.wandb.ai\n  login user\n  password ${key('n')}\n`)
    const found = findCredentials({ WANDB_API_KEY: key('v') }, home)
    assert.deepEqual(found, { baseUrl: 'https://api.wandb.ai', apiKey: key('v') })
    assert.equal(findCredentials({}, home).apiKey, key('n'))
    const other = { WANDB_BASE_URL: 'http://wandb.example:8080/', WANDB_API_KEY: `local-${key('k')}` }
    assert.deepEqual(findCredentials(other, home), {
      baseUrl: 'http://wandb.example:8080',
      apiKey: `local-${key('k')}`,
    })
  })

  test('of another file when NETRC names one, and of the host that is meant', () => {
    const path = join(home, 'elsewhere')
    writeFileSync(path, `machine a.example password ${key('a')}\nmachine wandb.example:8080 password '${key('b')}'\n`)
    const env = { NETRC: path, WANDB_BASE_URL: 'https://wandb.example:8080' }
    assert.equal(findCredentials(env, home).apiKey, key('b'))
  })

  test('that are missing or cannot be a key end before a training, with what to do, and no key is told', () => {
    const empty = join(home, 'nobody')
    assert.throws(
      () => findCredentials({}, empty),
      (error: unknown) => {
        assert.ok(error instanceof ConfigError)
        assert.deepEqual(error.option, ['logging', 'wandb', 'mode'])
        assert.match(error.message, /expected a key in WANDB_API_KEY or for api\.wandb\.ai in .*nobody.*mode: offline/)
        return true
      },
    )
    assert.throws(
      () => findCredentials({ WANDB_API_KEY: 'secret' }, home),
      (error: unknown) => {
        assert.ok(error instanceof ConfigError)
        assert.match(error.message, /40 or more letters and digits in WANDB_API_KEY, got 6 characters\./)
        assert.doesNotMatch(error.message, /secret/)
        return true
      },
    )
    assert.throws(() => findCredentials({ WANDB_API_KEY: `${key('a')} b` }, home), /some of them others/)
    for (const address of ['wandb.example', 'ftp://wandb.example', '://'])
      assert.throws(() => findCredentials({ WANDB_BASE_URL: address, WANDB_API_KEY: key('a') }, home), /WANDB_BASE_URL/)
    const secret = { WANDB_BASE_URL: 'https://me:secret@wandb.example', WANDB_API_KEY: key('a') }
    const isSilent = (error: unknown): boolean =>
      error instanceof ConfigError && /WANDB_BASE_URL without/.test(error.message) && !error.message.includes('secret')
    assert.throws(() => findCredentials(secret, home), isSilent)
  })

  test('netrc: quotes, comments, account, one line or many, default last', () => {
    const netrc = [
      '# machine commented password no',
      'machine one login "a b" account x password "p 1"',
      'machine two',
      'login password',
      'password two',
      'default password rest',
    ].join('\n')
    const found = ['one', 'two', 'three', 'commented'].map((host) => passwordOf(host, netrc))
    assert.deepEqual(found, ['p 1', 'two', 'rest', 'rest'])
    assert.equal(passwordOf('one', ''), null)
    assert.equal(passwordOf('one', 'machine one'), null)
  })
})
