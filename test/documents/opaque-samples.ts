import type { Binary, DBRef } from 'mongodb'
import { BSON, Decimal128, Long, MaxKey, MinKey, ObjectId, Timestamp } from 'mongodb'

// Driver 5 does not export this class by itself.
const { UUID } = BSON

export const HEX = '64b7f3a1c2d4e5f601234567'

/** A value of each opaque kind, and a change that a careless handler might make to it. */
export const OPAQUE_SAMPLES: { kind: string; value: object; spoil: (value: never) => unknown }[] = [
  { kind: 'Date', value: new Date(0), spoil: (date: Date) => date.setTime(1) },
  {
    kind: 'ObjectId',
    value: new ObjectId(HEX),
    spoil: (id: ObjectId) => id.id.fill(0),
  },
  {
    kind: 'Binary',
    value: new BSON.Binary(Buffer.from([1, 2, 3])),
    spoil: (binary: Binary) => binary.buffer.fill(0),
  },
  {
    kind: 'UUID',
    value: new UUID('a3bb189e-8bf9-4c4b-9d5f-3d0e2a8e1b11'),
    spoil: (uuid: InstanceType<typeof UUID>) => uuid.buffer.fill(0),
  },
  {
    kind: 'Decimal128',
    value: Decimal128.fromString('12.50'),
    spoil: (decimal: Decimal128) => decimal.bytes.fill(0),
  },
  {
    kind: 'Long',
    value: Long.fromString('9007199254740993'),
    spoil: (long: Long) => Object.assign(long, { low: 0 }),
  },
  {
    kind: 'Timestamp',
    value: new Timestamp({ t: 7, i: 9 }),
    spoil: (timestamp: Timestamp) => Object.assign(timestamp, { high: 0 }),
  },
  { kind: 'RegExp', value: /^a.*b$/i, spoil: (regExp: RegExp) => (regExp.lastIndex = 5) },
  {
    kind: 'Code',
    value: new BSON.Code('return x', { x: 1 }),
    spoil: (code: BSON.Code) => Object.assign(code, { code: '', scope: {} }),
  },
  {
    kind: 'DBRef',
    value: new BSON.DBRef('users', new ObjectId(HEX), 'db', { more: 1 }),
    spoil: (ref: DBRef) => {
      ref.oid.id.fill(0)
      Object.assign(ref.fields, { more: 2 })
    },
  },
  { kind: 'MinKey', value: new MinKey(), spoil: (key: MinKey) => Object.assign(key, { spoilt: true }) },
  { kind: 'MaxKey', value: new MaxKey(), spoil: (key: MaxKey) => Object.assign(key, { spoilt: true }) },
]
