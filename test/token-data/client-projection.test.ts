import { beforeAll, describe, expect, it } from 'vitest'
import { createClientProjection, isClientProjection } from '../../lib/token-data/client-projection.js'
import type { ClientProjection } from '../../lib/token-data/client-projection.js'
import { useDatabase } from '../support/database.js'

const DOCUMENT = {
  _id: 1,
  language: 'en',
  notes: 'secret',
  address: { city: 'London', street: { name: 'Baker Street', number: 221 } },
  devices: [{ name: 'phone', key: 'k1' }, 'text', { key: 'k2' }, [{ key: 'k3', name: 'deep' }]],
  nothing: null,
}

const database = useDatabase()
beforeAll(async () => {
  await database.db.collection<typeof DOCUMENT>('documents').insertOne(DOCUMENT)
})

const PROJECTIONS: ClientProjection[] = [
  { language: 1 },
  { language: true, _id: 0 },
  { _id: 1 },
  { _id: 0 },
  { notes: 0 },
  { notes: false, _id: 0 },
  { 'address.city': 1 },
  { 'address.street.number': 1, language: 1 },
  { 'address.street.number': 0, notes: 0 },
  { 'devices.name': 1 },
  { 'devices.key': 0 },
  { 'language.code': 1 },
  { 'language.code': 0 },
  { nothing: 1, missing: 1 },
  { toString: 1 } as unknown as ClientProjection,
]

describe('a projection for clients', () => {
  it.each(PROJECTIONS.map(projection => ({ projection })))(
    'shows the same fields as a projection in MongoDB: $projection',
    async ({ projection }) => {
      const found = await database.db.collection('documents').findOne({}, { projection })
      const shown = createClientProjection(projection)(DOCUMENT)
      expect(JSON.parse(JSON.stringify(shown))).toEqual(JSON.parse(JSON.stringify(found)))
    },
  )

  it.each([
    {},
    [],
    null,
    'notes',
    { a: 1, b: 0 },
    { a: 2 },
    { a: '$b' },
    { $a: 1 },
    { 'a..b': 1 },
    { a: { b: 1 } },
  ])('cannot be %j', value => {
    expect(isClientProjection(value)).toBe(false)
  })
})
