#!/usr/bin/env node
/** The run-pipeline program. */
import { runCommandLine } from './app.ts'

process.exitCode = await runCommandLine(process.argv.slice(2))
