import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import * as imported from 'express-custom-user-data'
import 'express-custom-user-data/global'

const require = createRequire(import.meta.url)
const required = require('express-custom-user-data')
for (const [name, value] of Object.entries(required)) assert.equal(imported[name], value, name)
assert.deepEqual(Object.keys(require('express-custom-user-data/global')), [])
console.log(Object.keys(required).length)
