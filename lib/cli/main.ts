#!/usr/bin/env node
import { systemClock } from '../util/clock.js'
import { runCommand } from './run-command.js'
import { EXIT } from './terminal.js'

process.once('SIGINT', () => process.exit(EXIT.interrupted))
// `doctor | head` closes the pipe before the end.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.failed)
  throw error
})

void runCommand(process.argv.slice(2), {
  env: process.env,
  cwd: process.cwd(),
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  clock: systemClock,
}).then(code => {
  process.exitCode = code
})
