import { createRequire } from 'node:module'
import express from 'express'
import type { RequestHandler } from 'express'
import { createCustomUserData, hashPassword, OptionError } from 'express-custom-user-data'
import { ObjectId } from 'mongodb'
import request from 'supertest'
import { z } from 'zod'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findAnchors, readPage } from '../docs/markdown.js'
import { useDatabase } from '../support/database.js'
import { onError } from '../support/http.js'
import { AUDIENCE, createTestUserData, ISSUER, SECRET } from '../support/user-data.js'

type UserData = ReturnType<typeof createTestUserData>
type Call = (...given: unknown[]) => unknown

/** An instance as plain JavaScript calls it, with any arguments. */
type Untyped = Record<Exclude<keyof UserData, 'events' | 'forUser'>, Call> & {
  readonly forUser: (userId: string) => Record<'update' | 'replace', Call>
}

const untyped = (instance: UserData) => instance as unknown as Untyped

const database = useDatabase()
let userData: Untyped
beforeAll(async () => {
  userData = untyped(createTestUserData(database))
})
afterAll(async () => {
  userData.close()
})

const SEE = ' See the reference.'

/** The headings of the page to which messages lead. */
const headings = findAnchors(readPage('docs/reference/options.md'))

/** Replaces `SEE` by the heading of the reference: of the only wrong option of an instance, otherwise of the function. */
function withReference(message: string): string {
  // Some messages are matchers of vitest.
  if (typeof message !== 'string' || !message.endsWith(SEE)) return message
  const [, option] =
    /^createCustomUserData: option "(\w+)[^;]*$/.exec(
      message.replaceAll(/; (?=did you|the options)/g, ' '),
    ) ?? []
  const anchor = (option ?? message.split(':', 1)[0]!).replaceAll(/\W/g, '').toLowerCase()
  expect(headings).toContain(anchor)
  return message.replace(
    SEE,
    ` See node_modules/express-custom-user-data/docs/reference/options.md#${anchor}`,
  )
}

const verify = () => null
const IDP = { issuer: 'https://idp.example.com', audience: AUDIENCE, algorithms: ['RS256'] }

const BCRYPT_HASH = `$2b$10$${'a'.repeat(53)}`
const WRITE_A_HASH =
  "write a hash of a random text, of the kind and cost of your users' hashes, e.g. the output of " +
  `node -p "require('bcryptjs').hashSync(crypto.randomUUID(), 10)"`

function passwordCredentials(options: object): unknown {
  return userData.passwordCredentials({ collection: database.db.collection('users'), ...options })
}

function create(options: object): unknown {
  const collection = database.db.collection('custom_user_data')
  return createCustomUserData({
    collection,
    issuer: ISSUER,
    audience: AUDIENCE,
    secret: SECRET,
    ...options,
  } as never)
}

/** mongoose has no types here: three versions of it are installed under other names. */
interface Mongoose {
  readonly connection: object
  readonly Schema: new (fields: object) => object
  model(name: string, schema: object): { readonly schema: object }
}
const mongoose = createRequire(import.meta.url)('mongoose9') as Mongoose
const Profile = mongoose.model('Profile', new mongoose.Schema({ language: String }))

/** The error of a mistake, thrown at once or by a promise that rejects. */
type Mistake = [input: string, call: () => unknown, message: string]

describe('a mistake in the options of a function is refused when the function is called, and the message', () => {
  it.each<Mistake>([
    [
      "authenticate({ optional: 'no' })",
      () => userData.authenticate({ optional: 'no' }),
      'authenticate(): option "optional": write true or false (given: "no").' + SEE,
    ],
    [
      'authenticate({ optional: 1 })',
      () => userData.authenticate({ optional: 1 }),
      'authenticate(): option "optional": write true or false (given: 1).' + SEE,
    ],
    [
      "authenticate({ maxAgeMs: '0' })",
      () => userData.authenticate({ maxAgeMs: '0' }),
      'authenticate(): option "maxAgeMs": write milliseconds, 0 or more; 0 reads now (given: "0").' + SEE,
    ],
    [
      'authenticate({ maxAgeMs: NaN })',
      () => userData.authenticate({ maxAgeMs: NaN }),
      'authenticate(): option "maxAgeMs": write milliseconds, 0 or more; 0 reads now (given: NaN).' + SEE,
    ],
    [
      'authenticate({ maxAge: 0 })',
      () => userData.authenticate({ maxAge: 0 }),
      'authenticate(): there is no option "maxAge"; did you mean "maxAgeMs"?' + SEE,
    ],
    [
      'authenticate(null)',
      () => userData.authenticate(null),
      'authenticate(): give an object of options (given: null).' + SEE,
    ],
    [
      "authenticate(['optional'])",
      () => userData.authenticate(['optional']),
      'authenticate(): give an object of options (given: a list).' + SEE,
    ],
    [
      'attach({ userid })',
      () => userData.attach({ userid: () => 'alice' }),
      'attach(): there is no option "userid"; did you mean "userId"?' + SEE,
    ],
    [
      "attach({ userId: 'accountId' })",
      () => userData.attach({ userId: 'accountId' }),
      'attach(): option "userId": write a function (given: "accountId").' + SEE,
    ],
    ['attach(null)', () => userData.attach(null), 'attach(): give an object of options (given: null).' + SEE],
    [
      'attach({ optional: null })',
      () => userData.attach({ optional: null }),
      'attach(): option "optional": write true or false (given: null).' + SEE,
    ],
    [
      'allow(undefined)',
      () => userData.allow(undefined),
      'allow(): the rule: write true, false, an object such as { "%%user.custom_data.role": "admin" }, or a function (given: undefined)',
    ],
    [
      "allow('admin')",
      () => userData.allow('admin'),
      'allow(): the rule: write true, false, an object such as { "%%user.custom_data.role": "admin" }, or a function (given: "admin")',
    ],
    [
      'allow(true, { timeout: 5 })',
      () => userData.allow(true, { timeout: 5 }),
      'allow(): there is no option "timeout"; did you mean "timeoutMs"?' + SEE,
    ],
    [
      'allow(true, { timeoutMs: 0 })',
      () => userData.allow(true, { timeoutMs: 0 }),
      'allow(): option "timeoutMs": write a whole number from 1 to 2147483647 (given: 0).' + SEE,
    ],
    [
      "strategy({ name: 'jwt' })",
      () => userData.strategy({ name: 'jwt' }),
      'strategy(): takes no options (given: an object). Write strategy().',
    ],
    [
      'refresh({ rotate: true })',
      () => userData.refresh({ rotate: true }),
      'refresh(): there is no option "rotate"; the options here are extendedJson, answer, refreshTokenField.' +
        SEE,
    ],
    [
      "logout('cookie')",
      () => userData.logout('cookie'),
      'logout(): give an object of options (given: a text).' + SEE,
    ],
    [
      'login(verify, { answer: {} })',
      () => userData.login(verify, { answer: {} }),
      'login(): option "answer": write a function (given: an object).' + SEE,
    ],
    [
      "refresh({ refreshTokenField: 'scope' })",
      () => userData.refresh({ refreshTokenField: 'scope' }),
      'refresh(): option "refreshTokenField": this name has another meaning in OAuth 2.0: write a name such as "refreshToken"' +
        ' (given: "scope").' +
        SEE,
    ],
    [
      "refresh({ refreshTokenField: '' })",
      () => userData.refresh({ refreshTokenField: '' }),
      'refresh(): option "refreshTokenField": write a text that is not empty (given: "").' + SEE,
    ],
    [
      'logoutAll({})',
      () => userData.logoutAll({}),
      'logoutAll(): takes no options (given: an object). Write logoutAll().',
    ],
    [
      'ownSessions([])',
      () => userData.ownSessions([]),
      'ownSessions(): takes no options (given: a list). Write ownSessions().',
    ],
    [
      'errorHandler(console.error)',
      () => userData.errorHandler(console.error),
      'errorHandler(): give an object of options (given: a function).' + SEE,
    ],
    ['jwks({})', () => userData.jwks({}), 'jwks(): takes no options (given: an object). Write jwks().'],
    [
      'login()',
      () => userData.login(),
      'login(): the first argument: write a function that takes the credentials and returns { id } or null (given: undefined).',
    ],
    [
      'login({ account })',
      () => userData.login({ account: verify }),
      'login(): the first argument: write a function that takes the credentials and returns { id } or null (given: an object).',
    ],
    [
      'login(a promise)',
      () => userData.login(Promise.resolve(verify)),
      'login(): the first argument: write a function that takes the credentials and returns { id } or null (given: a promise: await it first).',
    ],
    [
      "login(verify, { account: 'email' })",
      () => userData.login(verify, { account: 'email' }),
      'login(): option "account": write a function (given: "email").' + SEE,
    ],
    [
      'login(verify, { Body: schema })',
      () => userData.login(verify, { Body: z.object({}) }),
      'login(): there is no option "Body"; did you mean "body"?' + SEE,
    ],
    [
      'login(verify, { body: {} })',
      () => userData.login(verify, { body: {} }),
      'login(): option "body": write a Standard Schema: zod, valibot, arktype… (given: an object).' + SEE,
    ],
    [
      'passwordCredentials()',
      () => userData.passwordCredentials(),
      'passwordCredentials(): option "collection": give a Collection, e.g. client.db().collection("users").' +
        SEE,
    ],
    [
      'passwordCredentials({ collection: a connection string })',
      () => userData.passwordCredentials({ collection: 'mongodb://app:hunter2@db.example.com/app' }),
      'passwordCredentials(): option "collection": give a Collection, e.g. client.db().collection("users") (given: a text).' +
        SEE,
    ],
    [
      'passwordCredentials({ usernamefield })',
      () =>
        userData.passwordCredentials({ collection: database.db.collection('users'), usernamefield: 'login' }),
      'passwordCredentials(): there is no option "usernamefield"; did you mean "usernameField"?' + SEE,
    ],
    [
      "passwordCredentials({ usernameField: 'profile.email' })",
      () =>
        userData.passwordCredentials({
          collection: database.db.collection('users'),
          usernameField: 'profile.email',
        }),
      'passwordCredentials(): option "usernameField": write the name of a top-level field (given: "profile.email").' +
        SEE,
    ],
    [
      "passwordCredentials({ verifyPassword: 'bcrypt' })",
      () => passwordCredentials({ verifyPassword: 'bcrypt', decoyHash: BCRYPT_HASH }),
      'passwordCredentials(): option "verifyPassword": write a function (given: "bcrypt").' + SEE,
    ],
    [
      'passwordCredentials({ verifyPassword }) without decoyHash',
      () => passwordCredentials({ verifyPassword: verify }),
      'passwordCredentials(): option "verifyPassword" needs "decoyHash", which is checked for unknown users, so that times do ' +
        `not tell who exists: ${WRITE_A_HASH}.`,
    ],
    [
      'passwordCredentials({ decoyHash }) without verifyPassword',
      () => passwordCredentials({ decoyHash: BCRYPT_HASH }),
      'passwordCredentials(): option "decoyHash" has no effect without "verifyPassword": give "verifyPassword" too, or remove ' +
        'it: argon2 hashes have a decoy of their own.',
    ],
    [
      'passwordCredentials({ decoyHash: a promise })',
      () => passwordCredentials({ verifyPassword: verify, decoyHash: Promise.resolve(BCRYPT_HASH) }),
      `passwordCredentials(): option "decoyHash": ${WRITE_A_HASH} (given: a promise: await it first).` + SEE,
    ],
    ...[
      '',
      '  ',
      BCRYPT_HASH.slice(0, -1),
      `${BCRYPT_HASH}a`,
      '$argon2id$v=19$m=19456',
      'hunter2',
      'a long random text',
    ].map<Mistake>(decoyHash => [
      `passwordCredentials({ decoyHash: ${JSON.stringify(decoyHash)} })`,
      () => passwordCredentials({ verifyPassword: verify, decoyHash }),
      `passwordCredentials(): option "decoyHash": this is no whole hash: ${WRITE_A_HASH} (given: a text).` +
        SEE,
    ]),
    ...['03', '32', '99'].map<Mistake>(cost => [
      `passwordCredentials({ decoyHash: a bcrypt hash of cost ${cost} })`,
      () => passwordCredentials({ verifyPassword: verify, decoyHash: BCRYPT_HASH.replace('10', cost) }),
      'passwordCredentials(): option "decoyHash": bcrypt has the costs 4 to 31, and this hash has ' +
        `${Number(cost)}: ${WRITE_A_HASH} (given: a text).` +
        SEE,
    ]),
    [
      "passwordCredentials({ normalizeUsername: 'yes' })",
      () => passwordCredentials({ normalizeUsername: 'yes' }),
      'passwordCredentials(): option "normalizeUsername": write true or false (given: "yes").' + SEE,
    ],
    [
      'passwordCredentials({ upgradeHashes: 1 })',
      () => userData.passwordCredentials({ collection: database.db.collection('users'), upgradeHashes: 1 }),
      'passwordCredentials(): option "upgradeHashes": write true or false (given: 1).' + SEE,
    ],
    [
      'ownData()',
      () => userData.ownData(),
      'ownData(): option "fields": name the fields that users may write, e.g. ["language", "timezone"].' +
        SEE,
    ],
    [
      "ownData({ field: ['language'] })",
      () => userData.ownData({ field: ['language'] }),
      'ownData(): there is no option "field"; did you mean "fields"?' + SEE,
    ],
    [
      "ownData({ fields: 'language' })",
      () => userData.ownData({ fields: 'language' }),
      'ownData(): option "fields": name the fields that users may write, e.g. ["language", "timezone"] (given: "language").' +
        SEE,
    ],
    [
      "ownData({ fields: ['userId'] })",
      () => userData.ownData({ fields: ['userId'] }),
      'ownData(): option "fields.0": this field identifies the user, so users must not write it (given: "userId").' +
        SEE,
    ],
    [
      "ownData({ fields: ['$set'] })",
      () => userData.ownData({ fields: ['$set'] }),
      'ownData(): option "fields.0": write the name of a top-level field (given: "$set").' + SEE,
    ],
    [
      "replaceKeys('a key')",
      () => userData.replaceKeys('a key'),
      'replaceKeys(): option "keys": write a list of { kid, alg, key } (given: a text).' + SEE,
    ],
    [
      'createCustomUserData({ snapshotTTL })',
      () => create({ snapshotTTL: 5 }),
      'createCustomUserData: there is no option "snapshotTTL"; did you mean "snapshotTtlMs"?' + SEE,
    ],
    [
      'createCustomUserData({ loginThrottle: { windowSecs } })',
      () => create({ loginThrottle: { windowSecs: 5 } }),
      'createCustomUserData: option "loginThrottle": there is no option "windowSecs"; did you mean "windowSeconds"?' +
        SEE,
    ],
    [
      "createCustomUserData({ trustedIssuers: [{ audienceClaim }] }) without profile: 'jwt'",
      () => create({ trustedIssuers: [{ ...IDP, audienceClaim: 'client_id' }] }),
      'createCustomUserData: option "trustedIssuers.0.audienceClaim": only profile: "jwt" can have another claim than "aud", ' +
        'because RFC 9068 requires it: write profile: "jwt" too (given: "client_id").' +
        SEE,
    ],
    [
      "createCustomUserData({ trustedIssuers: [{ audienceClaim: 'iss' }] })",
      () => create({ trustedIssuers: [{ ...IDP, audienceClaim: 'iss', profile: 'jwt' }] }),
      'createCustomUserData: option "trustedIssuers.0.audienceClaim": this claim names no audience: write the claim that does, ' +
        'e.g. "client_id" (given: "iss").' +
        SEE,
    ],
    ...[[], 42, ''].map<Mistake>(userIdClaim => [
      `createCustomUserData({ trustedIssuers: [{ userIdClaim: ${JSON.stringify(userIdClaim)} }] })`,
      () => create({ trustedIssuers: [{ ...IDP, userIdClaim }] }),
      'createCustomUserData: option "trustedIssuers.0.userIdClaim": write the name of a claim, or a list of names that leads to ' +
        `a nested claim, e.g. ["user", "id"] (given: ${userIdClaim instanceof Array ? 'a list' : JSON.stringify(userIdClaim)}).` +
        SEE,
    ]),
    [
      "createCustomUserData({ trustedIssuers: [{ userIdClaim: ['user', 1] }] })",
      () => create({ trustedIssuers: [{ ...IDP, userIdClaim: ['user', 1] }] }),
      'createCustomUserData: option "trustedIssuers.0.userIdClaim.1": write a text that is not empty (given: 1).' +
        SEE,
    ],
    [
      'addTrustedIssuer()',
      () => userData.addTrustedIssuer(),
      'addTrustedIssuer(): option "issuer": write a text that is not empty; option "audience": name your API, e.g. ' +
        '"https://api.example.com"; option "algorithms": write a list of algorithms, e.g. ["RS256"].' +
        SEE,
    ],
    [
      'addTrustedIssuer({ audience }) without issuer',
      () => userData.addTrustedIssuer({ ...IDP, issuer: undefined }),
      'addTrustedIssuer(): option "issuer": write a text that is not empty.' + SEE,
    ],
    [
      "addTrustedIssuer({ algorithms: ['HS256'] })",
      () => userData.addTrustedIssuer({ ...IDP, algorithms: ['HS256'] }),
      expect.stringMatching(/^addTrustedIssuer\(\): option "algorithms\.0": write some of RS256, /) as never,
    ],
    [
      "addTrustedIssuer({ jwksUri: 'http://…' })",
      () => userData.addTrustedIssuer({ ...IDP, jwksUri: 'http://idp.example.com/keys' }),
      'addTrustedIssuer(): option "jwksUri": write an https address (given: "http://idp.example.com/keys").' +
        SEE,
    ],
    [
      'addTrustedIssuer() of the instance itself',
      () => userData.addTrustedIssuer({ ...IDP, issuer: ISSUER }),
      `addTrustedIssuer(): "${ISSUER}" is the option "issuer": your own tokens are accepted anyway.`,
    ],
    [
      "addTrustedIssuer({ userIdPrefix: '' }) of an instance that issues tokens",
      () => userData.addTrustedIssuer({ ...IDP, userIdPrefix: '' }),
      'addTrustedIssuer(): the userIdPrefix "" is the prefix of another issuer, or its beginning, so two users could get the ' +
        'same id. Write prefixes that differ from the start, e.g. "idp|". Only one issuer may have an empty prefix. If you ' +
        'issue tokens yourself, that issuer is you.',
    ],
    [
      'removeTrustedIssuer({ issuer })',
      () => userData.removeTrustedIssuer(IDP),
      'removeTrustedIssuer(): the first argument: write the issuer, e.g. "https://idp.example.com" (given: an object).',
    ],
    [
      'removeTrustedIssuer() of an issuer that is not trusted',
      () => userData.removeTrustedIssuer('https://idp.example.com'),
      'removeTrustedIssuer(): "https://idp.example.com" is no trusted issuer of this instance.',
    ],
    [
      'createCustomUserData({ trustedIssuers: [{ jwksUrl }] })',
      () => create({ trustedIssuers: [{ ...IDP, jwksUrl: 'https://idp.example.com/keys' }] }),
      'createCustomUserData: option "trustedIssuers.0": there is no option "jwksUrl"; did you mean "jwksUri"?' +
        SEE,
    ],
    [
      'createCustomUserData({ hooks: { beforelogin } })',
      () => create({ hooks: { beforelogin: verify } }),
      'createCustomUserData: option "hooks": there is no option "beforelogin"; did you mean "beforeLogin"?' +
        SEE,
    ],
    [
      'createCustomUserData({ hooks: { onLogin } })',
      () => create({ hooks: { onLogin: verify } }),
      'createCustomUserData: option "hooks": there is no option "onLogin"; the options here are beforeLogin, createCustomData, afterLogin, afterRefresh, afterLogout, afterDelete.' +
        SEE,
    ],
    [
      "createCustomUserData({ snapshotTtlMs: '30m' })",
      () => create({ snapshotTtlMs: '30m' }),
      'createCustomUserData: option "snapshotTtlMs": write a whole number from 1 to 86400000 (given: "30m").' +
        SEE,
    ],
    [
      'createCustomUserData({ collection: a mongoose model })',
      () => create({ collection: Profile }),
      'createCustomUserData: option "collection": this is a mongoose model: give its collection, Profile.collection (given: a function).' +
        SEE,
    ],
    [
      'createCustomUserData({ collection: mongoose.connection })',
      () => create({ collection: mongoose.connection }),
      'createCustomUserData: option "collection": this is mongoose or its connection: give a collection, e.g. mongoose.connection.collection("custom_user_data") (given: an object).' +
        SEE,
    ],
    [
      'createCustomUserData({ collection: a database })',
      () => create({ collection: database.db }),
      'createCustomUserData: option "collection": this is a database: give one of its collections, e.g. db.collection("custom_user_data") (given: an object).' +
        SEE,
    ],
    [
      'createCustomUserData({ collection: a client })',
      () => create({ collection: database.client }),
      'createCustomUserData: option "collection": this is a client: give a collection, e.g. client.db().collection("custom_user_data") (given: an object).' +
        SEE,
    ],
    [
      'createCustomUserData({ collection: a promise })',
      () => create({ collection: Promise.resolve() }),
      'createCustomUserData: option "collection": give a Collection, e.g. client.db().collection("custom_user_data") (given: a promise: await it first).' +
        SEE,
    ],
    [
      'createCustomUserData({ collection: a collection without a database })',
      () => create({ collection: { collectionName: 'users', find: verify, aggregate: verify } }),
      'createCustomUserData: option "collection": this collection does not lead to its database, so nothing could be read: give the Collection itself, e.g. client.db().collection("custom_user_data") (given: an object).' +
        SEE,
    ],
    [
      'createCustomUserData({ schema: a mongoose schema })',
      () => create({ schema: Profile.schema }),
      'createCustomUserData: option "schema": this is a mongoose schema, which can only be used by mongoose: write a Standard Schema (zod, valibot, arktype…), or leave the option out (given: an object).' +
        SEE,
    ],
    [
      "errorHandler({ onError: 'log' })",
      () => userData.errorHandler({ onError: 'log' }),
      'errorHandler(): option "onError": write a function (given: "log").' + SEE,
    ],
    [
      'errorHandler({ log })',
      () => userData.errorHandler({ log: verify }),
      'errorHandler(): there is no option "log"; the options here are onError.' + SEE,
    ],
    [
      'createCustomUserData({ nonsense, realm })',
      () => create({ nonsense: 1, realm: 'a"b' }),
      'createCustomUserData: option "realm": write printable ASCII without quotes or backslashes (given: "a\\"b"); there is no option "nonsense".' +
        SEE,
    ],
    [
      "createCustomUserData('a secret')",
      () => createCustomUserData('a secret' as never),
      'createCustomUserData: give an object of options (given: a text).' + SEE,
    ],
    [
      'createCustomUserData({ sessionSecrets: a text })',
      () => create({ sessionSecrets: 'a secret' }),
      'createCustomUserData: option "sessionSecrets": write a list of secrets (given: a text).' + SEE,
    ],
    [
      'createCustomUserData({ secret: a number })',
      () => create({ secret: 12_345_678 }),
      'createCustomUserData: option "secret": write text, bytes or a KeyObject (given: a number).' + SEE,
    ],
  ])('of %s says what to write instead', (_input, call, message) => {
    expect(call).toThrow(OptionError)
    expect(call).toThrow(expect.objectContaining({ message: withReference(message), code: 'invalid_option' }))
  })

  it.each<Mistake>([
    [
      "issueTokens('alice', { devise })",
      () => userData.issueTokens('alice', { devise: 'a phone' }),
      'issueTokens(): there is no option "devise"; did you mean "device"?' + SEE,
    ],
    [
      "issueTokens('alice', { device: 7 })",
      () => userData.issueTokens('alice', { device: 7 }),
      'issueTokens(): option "device": write a text or null (given: 7).' + SEE,
    ],
    [
      "hashPassword('…', { normalization })",
      () => hashPassword('hunter2', { normalization: 'NFKC' } as never),
      'hashPassword(): there is no option "normalization"; did you mean "unicodeNormalization"?' + SEE,
    ],
    [
      "hashPassword('…', { unicodeNormalization: 'NFC' })",
      () => hashPassword('hunter2', { unicodeNormalization: 'NFC' as never }),
      'hashPassword(): option "unicodeNormalization": write "NFKC" or "NFKD" (given: "NFC").' + SEE,
    ],
    [
      'hashPassword(undefined)',
      () => hashPassword(undefined as never),
      'hashPassword(): the first argument: write the password as a text (given: undefined).',
    ],
    [
      "update(…, { upsert: 'yes' })",
      () => userData.forUser('alice').update({ a: 1 }, { upsert: 'yes' }),
      'forUser().update(): option "upsert": write true or false (given: "yes").' + SEE,
    ],
    [
      'update(…, { upsrt: true })',
      () => userData.forUser('alice').update({ a: 1 }, { upsrt: true }),
      'forUser().update(): there is no option "upsrt"; did you mean "upsert"?' + SEE,
    ],
    [
      'replace(…, { invalidates: false })',
      () => userData.forUser('alice').replace({ a: 1 }, { invalidates: false }),
      'forUser().replace(): there is no option "invalidates"; did you mean "invalidate"?' + SEE,
    ],
    [
      'verifyToken(token, 0)',
      () => userData.verifyToken('a.b.c', 0),
      'verifyToken(): write { maxAgeMs } (given: a number).' + SEE,
    ],
    [
      'verifyToken(token, { maxAgeMs: -1 })',
      () => userData.verifyToken('a.b.c', { maxAgeMs: -1 }),
      'verifyToken(): option "maxAgeMs": write milliseconds, 0 or more; 0 reads now (given: -1).' + SEE,
    ],
    [
      'authenticateLogin({ email, password })',
      () => userData.authenticateLogin({ email: 'a', password: 'hunter2' }),
      'authenticateLogin(): option "verifyCredentials": write a function that takes the credentials and returns { id } or null; ' +
        'option "credentials": give the fields of the login as the client sent them; there is no option "email"; the options ' +
        'here are verifyCredentials, credentials, schema, account, device, address, replacedRefreshToken, ' +
        'maxSessionsPerUser, rotateRefreshTokens, refreshTokenTtlSeconds, refreshTokenIdleSeconds, claims, persistent; there is no option "password"; the options here are verifyCredentials, ' +
        'credentials, schema, account, device, address, replacedRefreshToken, maxSessionsPerUser, rotateRefreshTokens, refreshTokenTtlSeconds, refreshTokenIdleSeconds, claims, persistent.' +
        SEE,
    ],
    [
      'authenticateLogin(an id)',
      () => userData.authenticateLogin('alice'),
      'authenticateLogin(): give { verifyCredentials, credentials, address, device } (given: a text).' + SEE,
    ],
    [
      'authenticateLogin({ address: 7 })',
      () => userData.authenticateLogin({ verifyCredentials: verify, credentials: {}, address: 7 }),
      'authenticateLogin(): option "address": write a text or null (given: 7).' + SEE,
    ],
    [
      'exchangeRefreshToken(token, address)',
      () => userData.exchangeRefreshToken('a', '203.0.113.7'),
      'exchangeRefreshToken(): give an object of options (given: a text).' + SEE,
    ],
    [
      'endSession(token, { adress })',
      () => userData.endSession('a', { adress: '203.0.113.7' }),
      'endSession(): there is no option "adress"; did you mean "address"?' + SEE,
    ],
    [
      'ready({ timeoutMs: 5 })',
      () => userData.ready({ timeoutMs: 5 }),
      'ready(): takes no options (given: an object). Write ready().',
    ],
    [
      'revoke({})',
      () => userData.revoke({}),
      'revoke(): write revoke(userId) to end all sessions of a user, or revoke({ sid }) to end one (given: an object).',
    ],
    [
      'revoke({ userId })',
      () => userData.revoke({ userId: 'alice' }),
      'revoke(): write revoke(userId) to end all sessions of a user, or revoke({ sid }) to end one (given: an object).',
    ],
    [
      'revoke({ sid: 7 })',
      () => userData.revoke({ sid: 7 }),
      'revoke(): the sid must be a text, as sessions() lists it (given: 7).',
    ],
    [
      'revoke({ sid, userId })',
      () => userData.revoke({ sid: 'a', userId: 'alice' }),
      'revoke(): write revoke(userId) to end all sessions of a user, or revoke({ sid }) to end one (given: an object).',
    ],
    [
      'disable(an ObjectId)',
      () => userData.disable(new ObjectId()),
      'disable(): the user id must be a text of 1 to 255 characters (given: an ObjectId). Write String(id).',
    ],
    [
      'close({ force: true })',
      () => userData.close({ force: true }),
      'close(): takes no options (given: an object). Write close().',
    ],
  ])('of %s rejects with what to write instead', async (_input, call, message) => {
    const failure = Promise.resolve(call())
    await expect(failure).rejects.toThrow(TypeError)
    await expect(failure).rejects.toMatchObject({ message: withReference(message) })
  })
})

describe('a function that is mounted without its parentheses', () => {
  it.each([
    'authenticate',
    'attach',
    'refresh',
    'logout',
    'errorHandler',
    'jwks',
    'strategy',
    'ownSessions',
  ] as const)('says so: %s', async name => {
    const messages: string[] = []
    const app = express()
      .use(userData[name] as RequestHandler)
      .use(
        onError((error, res) => {
          messages.push(error.message)
          res.status(500).end()
        }),
      )
    await request(app).get('/').expect(500)
    expect(messages).toEqual([
      `${name}(): got a request instead of options. Write ${name}() with parentheses.`,
    ])
  })
})

describe('ready() and close()', () => {
  it('ignore the arguments that come with a callback', async () => {
    const instance = createTestUserData(database)
    const { ready, close } = untyped(instance)
    await database.client.connect().then(ready)
    await expect(close('SIGTERM', 15)).resolves.toBeUndefined()
  })
})
