import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { CustomUserData } from 'express-custom-user-data'
import { OptionError } from 'express-custom-user-data'
import request from 'supertest'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { useDatabase } from '../support/database.js'
import { createGuardedApp } from '../support/http-server.js'
import { answerJson, createTestKey, startIssuer } from '../support/key-server.js'
import type { TestIssuer } from '../support/key-server.js'
import { createTestUserData, forgeToken, validClaims } from '../support/user-data.js'

const database = useDatabase()
let tenant: TestIssuer
let other: TestIssuer
let userData: CustomUserData<Readonly<Record<string, unknown>>>
beforeEach(async () => {
  tenant = await startIssuer(createTestKey('tenant-key'))
  other = await startIssuer(createTestKey('other-key'))
  userData = createTestUserData(database, { trustedIssuers: [other.option({ userIdPrefix: 'other|' })] })
  await userData.ready()
})
afterEach(async () => {
  await userData.close()
  await tenant.server.close()
  await other.server.close()
})

const me = (token: string) => request(createGuardedApp(userData)).get('/me').auth(token, { type: 'bearer' })
const statusOf = async (token: string) => (await me(token)).status
const addTenant = (userIdPrefix = 'tenant|') => userData.addTrustedIssuer(tenant.option({ userIdPrefix }))

/** Does something once while the server is asked with such a command. */
async function during<T>(commandName: string, act: () => void, run: () => Promise<T>): Promise<T> {
  const { client } = database
  let acted = false
  const actOnce = (event: { commandName: string }) => {
    if (acted || event.commandName !== commandName) return
    acted = true
    act()
  }
  client.on('commandStarted', actOnce)
  try {
    return await run()
  } finally {
    client.off('commandStarted', actOnce)
    expect(acted).toBe(true)
  }
}

describe('addTrustedIssuer()', () => {
  it('accepts the tokens of the issuer from now on, with its prefix before the ids of its users', async () => {
    const token = tenant.token({ sub: 'alice' })
    expect(await statusOf(token)).toBe(401)
    addTenant()
    expect((await me(token)).body).toMatchObject({ id: 'tenant|alice' })
    expect(await statusOf(forgeToken())).toBe(200)
    expect(await statusOf(other.token({ sub: 'alice' }))).toBe(200)
  })

  it('has the defaults of the option trustedIssuers', async () => {
    userData.addTrustedIssuer(tenant.option())
    expect((await me(tenant.token({ sub: 'alice' }))).body.id).toBe(`${tenant.server.origin}|alice`)
    const plain = tenant.key.sign({ ...validClaims(), iss: tenant.server.origin }, { typ: 'JWT' })
    expect(await statusOf(plain)).toBe(401)
  })

  it('refuses an issuer that is trusted already, and changes nothing', async () => {
    expect(() => userData.addTrustedIssuer(other.option({ userIdPrefix: 'another|' }))).toThrow(
      new OptionError(
        `addTrustedIssuer(): "${other.server.origin}" is trusted already. ` +
          `Call removeTrustedIssuer("${other.server.origin}") first.`,
      ),
    )
    expect((await me(other.token({ sub: 'alice' }))).body.id).toBe('other|alice')
  })

  it.each(['', 'o', 'other|', 'other|more|'])(
    'refuses the prefix %j, with which a user could get the id of another issuer’s user',
    async prefix => {
      expect(() => addTenant(prefix)).toThrow(/two users could get the same id/)
      expect(await statusOf(tenant.token())).toBe(401)
    },
  )

  it('compares the prefix with those that were added before, and not with those that were removed', async () => {
    addTenant('t|')
    const third = { ...other.option(), issuer: 'https://third.example.com', userIdPrefix: 't|' }
    expect(() => userData.addTrustedIssuer({ ...third, jwksUri: 'https://third.example.com/keys' })).toThrow(
      /the userIdPrefix "t\|" is the prefix of another issuer/,
    )
    userData.removeTrustedIssuer(tenant.server.origin)
    expect(() =>
      userData.addTrustedIssuer({ ...third, jwksUri: 'https://third.example.com/keys' }),
    ).not.toThrow()
  })

  it('refuses tokens of ours from then on whose id begins with the prefix, also if they are cached', async () => {
    const ours = forgeToken({ claims: validClaims('tenant|alice') })
    const others = forgeToken({ claims: validClaims('tenant') })
    expect([await statusOf(ours), await statusOf(others)]).toEqual([200, 200])
    addTenant()
    expect([await statusOf(ours), await statusOf(others)]).toEqual([401, 200])
    await expect(userData.issueTokens('tenant|alice')).rejects.toThrow(TypeError)
  })

  it('refuses such a token also if its document is being loaded, and does not keep the document for it', async () => {
    const ours = forgeToken({ claims: validClaims('tenant|carol') })
    const others = forgeToken({ claims: validClaims('carol') })
    const load = () => Promise.all([statusOf(ours), statusOf(ours), statusOf(others)])
    expect(await during('find', addTenant, load)).toEqual([401, 401, 200])
    expect(await load()).toEqual([401, 401, 200])
    expect(userData.stats().cached).toBe(1)
  })

  it('refuses a login of such a user that is in progress, and its session ends', async () => {
    const logIn = () => userData.issueTokens('tenant|dave')
    await expect(during('find', addTenant, logIn)).rejects.toMatchObject({ code: 'invalid_credentials' })
    expect(userData.stats().cached).toBe(0)
    expect(await userData.sessions('tenant|dave')).toEqual([])
  })
})

describe('removeTrustedIssuer()', () => {
  it('refuses the tokens of the issuer at once, also if they are cached', async () => {
    addTenant()
    const token = tenant.token({ sub: 'alice' })
    const cached = other.token({ sub: 'alice' })
    for (const one of [token, token, cached]) expect(await statusOf(one)).toBe(200)
    userData.removeTrustedIssuer(tenant.server.origin)
    expect(await statusOf(token)).toBe(401)
    expect(await statusOf(tenant.token({ sub: 'bob' }))).toBe(401)
    expect([await statusOf(cached), await statusOf(forgeToken())]).toEqual([200, 200])
  })

  it('also removes an issuer of the option trustedIssuers', async () => {
    const token = other.token({ sub: 'alice' })
    expect(await statusOf(token)).toBe(200)
    userData.removeTrustedIssuer(other.server.origin)
    expect(await statusOf(token)).toBe(401)
  })

  it('refuses a token that waits for the keys of its issuer', async () => {
    addTenant()
    const answers: ServerResponse[] = []
    tenant.server.answerBy((_req, res) => void answers.push(res))
    const waiting = me(tenant.token()).then(({ status }) => status)
    await expect.poll(() => answers).toHaveLength(1)
    userData.removeTrustedIssuer(tenant.server.origin)
    answerJson({ keys: [tenant.key.jwk] })(undefined as never, answers[0] as never)
    expect(await waiting).toBe(401)
  })

  it('refuses a token whose document is being loaded', async () => {
    addTenant()
    await statusOf(tenant.token({ sub: 'first' }))
    const token = tenant.token({ sub: 'second' })
    const remove = () => userData.removeTrustedIssuer(tenant.server.origin)
    expect(await during('find', remove, () => statusOf(token))).toBe(401)
    expect(await statusOf(token)).toBe(401)
  })

  it('refuses such a token also if the issuer was added again meanwhile, and then gives the new id', async () => {
    addTenant()
    await statusOf(tenant.token({ sub: 'first' }))
    const token = tenant.token({ sub: 'second' })
    const replace = () => {
      userData.removeTrustedIssuer(tenant.server.origin)
      addTenant('renamed|')
    }
    expect(await during('find', replace, () => statusOf(token))).toBe(401)
    expect((await me(token)).body.id).toBe('renamed|second')
  })

  it('refuses a cached token whose user is being looked at', async () => {
    const checking = createTestUserData(database, {
      trustedIssuers: [other.option({ userIdPrefix: 'other|' })],
      sessionCheckIntervalMs: 0,
    })
    const token = other.token({ sub: 'alice' })
    await checking.verifyToken(token)
    const remove = () => checking.removeTrustedIssuer(other.server.origin)
    await expect(during('find', remove, () => checking.verifyToken(token))).rejects.toMatchObject({
      code: 'invalid_token',
    })
    await checking.close()
  })

  it('fetches the keys no longer, and gives no event about a fetch that was under way', async () => {
    addTenant()
    const failed: unknown[] = []
    userData.events.on('key_set_failed', event => failed.push(event))
    let answer: ServerResponse | undefined
    tenant.server.answerBy((_req, res) => (answer = res))
    const waiting = statusOf(tenant.token())
    await expect.poll(() => answer).toBeDefined()
    userData.removeTrustedIssuer(tenant.server.origin)
    const closed = once(answer!, 'close')
    answer!.destroy()
    await closed
    expect(await waiting).toBe(401)
    const { length } = tenant.server.hits
    expect(await statusOf(tenant.token())).toBe(401)
    expect(tenant.server.hits).toHaveLength(length)
    expect(failed).toEqual([])
  })

  it('lets the issuer be added again, with other options', async () => {
    addTenant()
    const token = tenant.token({ sub: 'alice' })
    expect((await me(token)).body.id).toBe('tenant|alice')
    userData.removeTrustedIssuer(tenant.server.origin)
    addTenant('renamed|')
    expect((await me(token)).body.id).toBe('renamed|alice')
  })

  it('throws for an issuer that is not trusted, because its tokens could stay accepted by a misspelt name', () => {
    const { origin } = other.server
    expect(() => userData.removeTrustedIssuer(`${origin}/`)).toThrow(
      new OptionError(
        `removeTrustedIssuer(): "${origin}/" is no trusted issuer of this instance. Did you mean "${origin}"?`,
      ),
    )
  })
})
