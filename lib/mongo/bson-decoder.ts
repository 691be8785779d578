import type { BSONSerializeOptions, Db, Document } from 'mongodb'

/**
 * No list is left undecoded. Without a prototype, for the driver looks up names of fields in it: it would leave a list named
 * `toString` as bytes.
 */
export const ALL_DECODED = Object.freeze(Object.create(null) as Record<string, never>)

/** Makes a document of its BSON as a read with these options would, by the classes of the team's own driver. */
export type BsonDecoder = (bytes: Uint8Array, options: BSONSerializeOptions) => Document

/**
 * The decoder of the driver that a database comes from, where that is the one beside this package. `undefined` where it is
 * another, for values of a foreign BSON would be refused when they are written back; and where there is none, or something
 * odd in its place.
 */
export async function findBsonDecoder(db: Db): Promise<BsonDecoder | undefined> {
  try {
    const driver = await import('mongodb')
    if (!(db instanceof driver.Db)) return undefined
    const { deserialize } = driver.BSON
    return (bytes, { enableUtf8Validation = true, ...options }) => {
      // As the driver has it.
      const validation = { utf8: enableUtf8Validation && ({ writeErrors: false } as const) }
      return deserialize(bytes, { ...options, fieldsAsRaw: ALL_DECODED, validation })
    }
  } catch {
    return undefined
  }
}
