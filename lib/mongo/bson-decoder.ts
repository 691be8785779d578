import type { BSONSerializeOptions, Db, Document } from 'mongodb'

/** Makes a document of its BSON as a read with these options would, by the classes of the team's own driver. */
export type BsonDecoder = (bytes: Uint8Array, options: BSONSerializeOptions) => Document

/**
 * The decoder of the driver that a database comes from, where that is the one beside this package; `undefined` where it is
 * another (mongoose may bring its own), or where there is none: values of a foreign BSON would be refused when they are
 * written back.
 */
export async function findBsonDecoder(db: Db): Promise<BsonDecoder | undefined> {
  const driver = await import('mongodb').catch(() => undefined)
  if (!driver || !(db instanceof driver.Db)) return undefined
  const { BSON } = driver
  return (bytes, { enableUtf8Validation = true, ...options }) =>
    BSON.deserialize(bytes, { ...options, fieldsAsRaw: {}, validation: { utf8: enableUtf8Validation } })
}
