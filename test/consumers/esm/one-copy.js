import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import * as imported from 'express-custom-user-data'
import * as importedAppServices from 'express-custom-user-data/app-services'
import * as importedTesting from 'express-custom-user-data/testing'
import 'express-custom-user-data/global'

const require = createRequire(import.meta.url)
const required = require('express-custom-user-data')
for (const [name, value] of Object.entries(required)) assert.equal(imported[name], value, name)
assert.deepEqual(Object.keys(require('express-custom-user-data/global')), [])
const requiredTesting = require('express-custom-user-data/testing')
for (const [name, value] of Object.entries(requiredTesting)) assert.equal(importedTesting[name], value, name)
assert.deepEqual(Object.keys(importedTesting).sort(), [
  'asUser',
  'createTestClock',
  'createTestUserData',
  'tokenFor',
])
const requiredAppServices = require('express-custom-user-data/app-services')
for (const [name, value] of Object.entries(requiredAppServices))
  assert.equal(importedAppServices[name], value, name)
assert.deepEqual(Object.keys(importedAppServices).sort(), ['AppServicesError', 'createAppServices'])
console.log(Object.keys(required).length)
