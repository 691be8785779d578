import { spawnSync } from 'node:child_process'
import { DRIVERS, exclusionsOf } from './drivers.js'

/** Runs the whole suite once with each driver, one after the other, and says how long each took. */
const results = DRIVERS.map(driver => {
  console.log(`\n=== ${driver}`)
  for (const { tests, why } of exclusionsOf(driver)) console.log(`left out: ${tests.join('; ')} (${why})`)
  const began = performance.now()
  const args = ['vitest', 'run', ...process.argv.slice(2)]
  const { status } = spawnSync('npx', args, {
    stdio: 'inherit',
    env: { ...process.env, TEST_DRIVER: driver },
  })
  return { driver, status, seconds: Math.round((performance.now() - began) / 1000) }
})

for (const { driver, status, seconds } of results) {
  console.log(`${driver}: ${status === 0 ? 'passed' : 'failed'} in ${seconds} s`)
}
process.exitCode = results.every(({ status }) => status === 0) ? 0 : 1
