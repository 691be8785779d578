const { loginAndReadMe } = require('./app.js')
const { readReports, REPORTS } = require('./reports.js')

test('an app logs in and reads its user', async () => {
  expect(await loginAndReadMe()).toEqual({ language: 'de' })
}, 60_000)

test('an app is tested without MongoDB', async () => {
  expect(await readReports()).toEqual(REPORTS)
}, 60_000)
