/**
 * Measures the goals for the rotation of refresh tokens: `npm run test:sessions`. Processes are killed, MongoDB fails, and
 * clients lose answers. Give names of cases to run only these cases, and `--quick` for the short form. Exits with 1 if a
 * goal fails.
 */
import { resolveMongoUri } from '../../examples/support/start-mongod.js'
import { CASES } from './cases.js'
import { runCase } from './run-case.js'

const asked = process.argv.slice(2)
const isQuick = asked.includes('--quick')
const names = asked.filter(word => !word.startsWith('--'))
const mongo = await resolveMongoUri()
let failures = 0
try {
  for (const one of CASES.filter(({ name }) => names.length === 0 || names.includes(name))) {
    const began = performance.now()
    const { figures, wrong } = await runCase(one, mongo.uri, isQuick)
    const seconds = ((performance.now() - began) / 1_000).toFixed(1)
    console.log(`\n${one.name}: ${one.rule} (${seconds} s)`)
    for (const [name, value] of Object.entries(figures)) {
      const shown = Number.isInteger(value) ? String(value) : value.toPrecision(3)
      console.log(`  ${name}: ${shown}${wrong.includes(name) ? '   <-- wrong' : ''}`)
    }
    failures += wrong.length
  }
} finally {
  await mongo.stop()
}
console.log(failures === 0 ? '\nAll hold.' : `\n${failures} figures are wrong.`)
process.exitCode = failures === 0 ? 0 : 1
