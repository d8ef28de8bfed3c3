/** Run by the hub's tests as a process of its own: obtains weights and prints their path. */
import { obtainFromHub } from '../../../src/models/hub/obtain.ts'
import { silentLogger } from '../../../src/util/logger.ts'

const path = await obtainFromHub({ repo: process.argv[2] ?? '', revision: 'main' }, { logger: silentLogger })
process.stdout.write(path)
