#!/usr/bin/env node
// npm's install step: finds LibTorch or obtains it, builds the addon. Downloads nothing that is there already, and nothing at all
// where the addon could not be built anyway.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { lockBuild } from './build-lock.mjs'
import { build, requireTools } from './build-native.mjs'
import { locate, remedies, root } from './libtorch.mjs'
import { obtain } from './obtain-libtorch.mjs'

if (process.env.TRIVIUM_SKIP_NATIVE_BUILD) {
  process.stderr.write('TRIVIUM_SKIP_NATIVE_BUILD is set: the addon is not built.\n')
} else if (existsSync(join(root, 'native'))) {
  lockBuild()
  const { found, tried, fixed } = locate()
  if (!found && !fixed) {
    requireTools()
    const failures = await obtain()
    if (failures.length > 0) {
      process.stderr.write(`${remedies([...tried, ...failures])}\n`)
      process.exit(1)
    }
  }
  build()
}
