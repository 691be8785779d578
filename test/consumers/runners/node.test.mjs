import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestUserData, tokenFor } from 'express-custom-user-data/testing'
import { readReports, REPORTS } from './reports.js'

test('an app is tested without MongoDB', async () => {
  assert.deepEqual(await readReports(), REPORTS)
})

test('the entry point for tests can be imported', async () => {
  const userData = createTestUserData({ documents: { alice: { plan: 'pro' } } })
  const { customData } = await userData.verifyToken(await tokenFor(userData, 'alice'))
  assert.equal(customData.plan, 'pro')
})
