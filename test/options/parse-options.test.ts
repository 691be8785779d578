import { Int32 } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { createCustomUserData, OptionError } from 'express-custom-user-data'
import type { CustomUserDataOptions } from 'express-custom-user-data'
import { parseOptions } from '../../lib/options/parse-options.js'
import type { Config } from '../../lib/options/parse-options.js'
import { useDatabase } from '../support/database.js'
import { AUDIENCE, ISSUER, SECRET } from '../support/user-data.js'

const WRONG: { option: string; value: unknown; says: string }[] = [
  { option: 'collection', value: undefined, says: 'give a Collection' },
  { option: 'collection', value: 'custom_user_data', says: 'client.db().collection("custom_user_data")' },
  { option: 'issuer', value: undefined, says: 'name your service by its URL' },
  { option: 'issuer', value: '', says: 'write a text that is not empty' },
  { option: 'issuer', value: 7, says: 'write a text that is not empty' },
  { option: 'audience', value: undefined, says: 'name your API' },
  { option: 'audience', value: [], says: 'name your API' },
  { option: 'audience', value: [''], says: 'write a text that is not empty' },
  { option: 'secret', value: 7, says: 'write text, bytes or a KeyObject' },
  { option: 'userIdField', value: '', says: 'write' },
  { option: 'userIdField', value: '$where', says: 'write the name of a field' },
  { option: 'userIdField', value: 'a.$', says: 'write the name of a field' },
  { option: 'userIdField', value: '.a', says: 'write the name of a field' },
  { option: 'toFieldValues', value: 'userId', says: 'write a function' },
  { option: 'projection', value: ['name'], says: 'write a $project stage' },
  { option: 'projection', value: 'name', says: 'write a $project stage' },
  ...[
    { _id: '$userId' },
    { _id: { $toString: '$_id' }, name: 1 },
    { _id: { tenant: 1 } },
    { '_id.tenant': 1 },
    { name: 1, '_id.tenant': 0 },
    { _id: null },
    { _id: Number.NaN },
    { _id: new Int32(0) },
  ].map(value => ({ option: 'projection', value, says: '"_id" can only be shown or left out' })),
  { option: 'schema', value: {}, says: 'write a Standard Schema' },
  { option: 'requireDocument', value: 'yes', says: 'write true or false' },
  { option: 'uniqueUserId', value: 1, says: 'write true or false' },
  { option: 'maxDocumentBytes', value: 0, says: 'write a whole number from 1 to 16777216' },
  { option: 'maxDocumentBytes', value: Infinity, says: 'write a whole number from 1 to 16777216' },
  { option: 'loadTimeoutMs', value: '1000', says: 'write a whole number from 1 to 2147483647' },
  { option: 'loadTimeoutMs', value: 2 ** 31, says: 'write a whole number from 1 to 2147483647' },
  { option: 'maxConcurrentLoads', value: 0, says: 'write a whole number from 1 to 100000' },
  { option: 'snapshotTtlMs', value: 0, says: 'write a whole number from 1 to 86400000' },
  { option: 'snapshotTtlMs', value: NaN, says: 'write a whole number from 1 to 86400000' },
  { option: 'snapshotTtlMs', value: Infinity, says: 'write a whole number from 1 to 86400000' },
  { option: 'snapshotTtlMs', value: 1.5, says: 'write a whole number from 1 to 86400000' },
  { option: 'maxSnapshots', value: 0, says: 'write a whole number from 1 to 16000000' },
  { option: 'maxSnapshotBytes', value: -1, says: 'write a whole number from 1 to' },
  { option: 'changeStreams', value: true, says: 'write "auto" or "off"' },
  { option: 'changeStreamTimeoutMs', value: 999, says: 'write a whole number from 1000 to 86400000' },
  { option: 'clientId', value: '', says: 'write a text that is not empty' },
  { option: 'accessTokenTtlSeconds', value: 86_401, says: 'write a whole number from 1 to 86400' },
  { option: 'userDataInToken', value: true, says: 'write false, "relaxed", "canonical" or { format' },
  { option: 'userDataInToken', value: 'ejson', says: 'write false, "relaxed", "canonical" or { format' },
  {
    option: 'userDataInToken',
    value: { format: 'relaxed', projection: { a: 1, b: 0 } },
    says: '{ notes: 0 }',
  },
  {
    option: 'userDataInToken',
    value: { format: 'relaxed', maxTokenBytes: 1 },
    says: 'write a whole number from 256',
  },
  {
    option: 'userDataInToken',
    value: { format: 'relaxed', maxTokenBytes: 8_193 },
    says: 'write 8192 at most, or raise "maxTokenLength"',
  },
  { option: 'clockToleranceSeconds', value: 301, says: 'write a whole number from 0 to 300' },
  { option: 'maxTokenLength', value: 255, says: 'write a whole number from 256 to 1048576' },
  { option: 'sessionCollection', value: {}, says: 'give a Collection' },
  { option: 'refreshTokenTtlSeconds', value: 60, says: 'write a whole number from 1800 to 157680000' },
  {
    option: 'refreshTokenTtlSeconds',
    value: 157_680_001,
    says: 'write a whole number from 1800 to 157680000',
  },
  { option: 'sessionTimeoutMs', value: null, says: 'write a whole number from 1 to 2147483647' },
  { option: 'verifyCredentialsTimeoutMs', value: 0, says: 'write a whole number from 1 to 2147483647' },
  { option: 'realm', value: 'a"b', says: 'write printable ASCII without quotes or backslashes' },
  { option: 'realm', value: 'é', says: 'write printable ASCII without quotes or backslashes' },
  {
    option: 'loginThrottle',
    value: true,
    says: 'write false or { accountAndAddressFailures, addressFailures',
  },
  { option: 'refreshTokenTransport', value: 'header', says: 'write "body", "cookie" or { cookie: { name' },
  { option: 'refreshTokenTransport', value: [], says: 'write "body", "cookie" or { cookie: { name' },
  { option: 'tokenPlaces', value: 'cookie', says: 'write { cookie, query, form }' },
  { option: 'cacheControl', value: 'public', says: 'write "no-cache" or "no-store"' },
  { option: 'hooks', value: [], says: 'write { beforeLogin, createCustomData' },
  { option: 'sessionSecrets', value: [], says: 'write one secret or more' },
  { option: 'clock', value: () => 0, says: 'write { now, monotonic }' },
  { option: 'clock', value: { now: () => 0 }, says: 'write { now, monotonic }' },
  { option: 'clock', value: { monotonic: () => 0 }, says: 'write { now, monotonic }' },
  { option: 'clock', value: { now: 5, monotonic: () => 0 }, says: 'write { now, monotonic }' },
  { option: 'clock', value: { now: () => 0, monotonic: 6 }, says: 'write { now, monotonic }' },
]

const TRUSTED = { issuer: 'https://idp.example.com', audience: AUDIENCE, algorithms: ['RS256'] }

const database = useDatabase()

/** The options that are required. */
function needed(): object {
  const collection = database.db.collection('custom_user_data')
  return { collection, issuer: ISSUER, audience: AUDIENCE, secret: SECRET }
}

function create(options: Record<string, unknown>): unknown {
  return createCustomUserData({ ...needed(), ...options } as unknown as CustomUserDataOptions<object>)
}

/** Adds what must be given to the object itself, which keeps its prototype. */
function parse(options: object): Config {
  return parseOptions(Object.assign(options, needed()))
}

function messageOf(options: Record<string, unknown>): string {
  try {
    create(options)
  } catch (error) {
    expect(error).toBeInstanceOf(OptionError)
    expect(error).toBeInstanceOf(TypeError)
    expect(error).toMatchObject({ name: 'OptionError', code: 'invalid_option' })
    return (error as Error).message
  }
  throw new Error('nothing was thrown')
}

describe('wrong options', () => {
  it.each(WRONG)('say what to write instead: $option: $value', ({ option, value, says }) => {
    const message = messageOf({ [option]: value })
    expect(message).toContain(`"${option}`)
    expect(message).toContain(says)
  })

  it('are named if the option does not exist', () => {
    expect(messageOf({ nonsense: 1, colection: 2 })).toContain(
      'there is no option "nonsense"; there is no option "colection"; did you mean "collection"? See',
    )
  })

  it('are all named in one message', () => {
    const message = messageOf({ loadTimeoutMs: 0, realm: '"', snapshotTtlMs: 'x', unknown: 1 })
    expect(message).toMatch(/"loadTimeoutMs": .*"snapshotTtlMs": .*"realm": .*there is no option "unknown"/)
  })

  it('are shown, unless they can be secrets', () => {
    const message = messageOf({
      secret: 12_345_678,
      keys: [{ alg: 'HS256', kid: 7, key: null }, 'hunter2'],
      sessionSecrets: 'hunter2',
      issuer: 98_765,
    })
    expect(message).toContain('(given: 98765)')
    expect(message).not.toMatch(/12345678|hunter2/)
  })

  it.each([
    'mongodb://app:hunter2/x@db.example.com/app',
    'mongodb+srv://app:hunter2 x@db.example.com',
    'mongodb://db.example.com/?tlsCertificateKeyFilePassword=hunter2',
    'https://idp.example.com/keys?key=hunter2',
    'https://app:hunter2/@idp.example.com/keys',
  ])('are never shown where they may be an address with credentials: %s', address => {
    const message = messageOf({
      collection: address,
      realm: `${address}"`,
      trustedIssuers: [{ ...TRUSTED, jwksUri: `ftp${address}` }],
    })
    expect(message).toContain('"trustedIssuers.0.jwksUri"')
    expect(message).not.toContain('hunter2')
  })

  it('show an algorithm only if it looks like one', () => {
    const keys = (alg: string) => ({ secret: undefined, keys: [{ kid: 'a', alg, key: SECRET }] })
    expect(messageOf(keys('EdDSA'))).toContain('"EdDSA"')
    expect(messageOf(keys(SECRET))).not.toContain(SECRET)
    const trusted = { trustedIssuers: [{ ...TRUSTED, algorithms: [SECRET] }] }
    expect(messageOf(trusted)).not.toContain(SECRET)
  })

  it.each([
    { keys: [] },
    { keys: 'PEM' },
    { keys: [{ kid: 'a', alg: 'RS256' }] },
    { keys: [{ alg: 'RS256' }] },
  ])('name the list of keys: %j', given => {
    expect(messageOf({ secret: undefined, ...given })).toContain('"keys')
  })

  it('ask for a secret or keys, one of the two', () => {
    const both = { keys: [{ kid: 'a', alg: 'HS256', key: SECRET }] }
    expect(messageOf({ secret: undefined })).toContain('set that variable')
    expect(messageOf(both)).toContain('one of the two')
  })

  it.each([undefined, null, 'options', []])('ask for an object in place of %j', given => {
    expect(() => createCustomUserData(given as unknown as CustomUserDataOptions<object>)).toThrow(OptionError)
  })
})

describe('options', () => {
  it('have a default that is right for most', () => {
    expect(parse({})).toMatchObject({
      own: { issuer: ISSUER, audience: [AUDIENCE], clientId: AUDIENCE, keys: { secret: SECRET } },
      tokenPlaces: {},
      userIdField: 'userId',
      requireDocument: false,
      uniqueUserId: false,
      maxDocumentBytes: 262_144,
      loadTimeoutMs: 1_000,
      snapshotTtlMs: 1_800_000,
      maxSnapshots: 10_000,
      maxSnapshotBytes: 67_108_864,
      accessTokenTtlSeconds: 1_800,
      clockToleranceMs: 5_000,
      maxTokenLength: 8_192,
      refreshTokenTtlSeconds: 5_184_000,
      sessionTimeoutMs: 3_000,
      verifyCredentialsTimeoutMs: 10_000,
      realm: 'api',
    })
  })

  it('that let an idle session live longer than any session are refused', () => {
    const lifetimes = { refreshTokenTtlSeconds: 1_800, refreshTokenIdleSeconds: 1_801 }
    expect(() => create(lifetimes)).toThrow(
      /"refreshTokenIdleSeconds": write no more than "refreshTokenTtlSeconds"/,
    )
    expect(() => create({ ...lifetimes, refreshTokenIdleSeconds: 1_800 })).not.toThrow()
  })

  it('that are undefined are as if they were not there', () => {
    expect(() => create({ loadTimeoutMs: undefined, clock: undefined, schema: undefined })).not.toThrow()
  })

  it('have defaults at any depth, next to given values', () => {
    const { loginThrottle, trustedIssuers } = parse({
      loginThrottle: { windowSeconds: 60, addressFailures: undefined },
      trustedIssuers: [TRUSTED],
    })
    expect(loginThrottle).toEqual({
      accountAndAddressFailures: 10,
      addressFailures: 100,
      windowSeconds: 60,
      accountFailures: 100,
    })
    const completed = {
      audienceClaim: 'aud',
      userIdClaim: ['sub'],
      profile: 'rfc9068',
      userIdPrefix: `${TRUSTED.issuer}|`,
    }
    expect(trustedIssuers).toEqual([{ ...TRUSTED, audience: [AUDIENCE], ...completed }])
  })

  it('can be of a class, without a prototype, inherited or frozen', () => {
    class Settings {
      realm = 'of-a-class'
    }
    expect(parse(new Settings()).realm).toBe('of-a-class')
    expect(parse(Object.assign(Object.create(null) as object, { realm: 'bare' })).realm).toBe('bare')
    expect(parse(Object.create({ realm: 'inherited' }) as object).realm).toBe('inherited')
    expect(parseOptions(Object.freeze(needed())).realm).toBe('api')
  })

  it('send nothing to MongoDB when an instance is created', () => {
    database.commands.clear()
    create({})
    expect(database.commands).toHaveLength(0)
  })
})
