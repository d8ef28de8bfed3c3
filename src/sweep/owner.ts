/** Names of workers. */
import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'

/** Unique over machines: a worker's name must not be taken twice. */
export function newOwner(): string {
  return `${hostname()
    .replaceAll(/[^\w-]/g, '-')
    .slice(0, 60)}-${process.pid}-${randomUUID().slice(0, 8)}`
}
