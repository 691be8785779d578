/** Writes the full names of mocha's tests as JSON, since old versions print their JSON between the app's output. */
const { writeFileSync } = require('node:fs')

module.exports = function NamesReporter(runner) {
  const tests = []
  for (const event of ['pass', 'fail', 'pending']) {
    runner.on(event, test => tests.push({ name: test.fullTitle(), result: event }))
  }
  runner.once('end', () => {
    writeFileSync(process.env.TEST_RESULTS, JSON.stringify(tests))
  })
}
