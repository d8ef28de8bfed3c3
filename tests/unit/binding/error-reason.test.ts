import assert from 'node:assert/strict'
import { test } from 'node:test'
import { reasonOf } from '../../../src/binding/error-reason.ts'

test('error reason › memory and disks are told apart by the words of those who ran out', () => {
  for (const [message, reason] of [
    ["DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes", 'out of memory'],
    ['CUDA out of memory. Tried to allocate 2.00 GiB.', 'out of memory'],
    ['std::bad_alloc', 'out of memory'],
    ['could not create a primitive', 'out of memory'],
    ['x.safetensors: cannot be written: No space left on device. It needs 8 bytes', 'disk full'],
    ['x.safetensors: cannot be written: Disk quota exceeded. It needs 8 bytes', 'disk full'],
    ['x.safetensors: cannot be written: Input/output error. It needs 8 bytes', 'disk failure'],
    ['x.safetensors: cannot be created: Read-only file system.', 'disk failure'],
    ['x.safetensors: cannot be created: Permission denied.', null],
    ['could not create a descriptor', null],
  ] as const)
    assert.equal(reasonOf(message), reason, message)
})
