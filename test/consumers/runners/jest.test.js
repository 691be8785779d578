const { loginAndReadMe } = require('./app.js')

test('an app logs in and reads its user', async () => {
  expect(await loginAndReadMe()).toEqual({ language: 'de' })
}, 60_000)
