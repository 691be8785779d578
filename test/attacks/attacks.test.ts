import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { useDatabase } from '../support/database.js'
import { attackTable } from './attack-table.js'
import { withToken } from './attack.js'
import type { AttackRequest } from './attack.js'
import { ATTACKERS_KEY_SET } from './attacks-on-headers.js'
import { createAttackContext, USER, VICTIM } from './context.js'
import type { AttackContext } from './context.js'
import { createGuardedApp } from './guarded-app.js'
import { sendRaw } from './raw-request.js'
import type { RawAnswer } from './raw-request.js'
import { faultsOf } from './refusal.js'
import { serve, startTrap } from './server.js'
import type { LoopbackServer, Trap } from './server.js'

describe.each(['HS256', 'RS256', 'ES256'] as const)('the guard, with a key for %s', alg => {
  const database = useDatabase()
  let trap: Trap
  let context: AttackContext
  let server: LoopbackServer
  beforeAll(async () => {
    await database.db.collection('custom_user_data').insertMany([
      { userId: USER, of: USER },
      { userId: VICTIM, of: VICTIM },
    ])
    trap = await startTrap(ATTACKERS_KEY_SET)
    context = createAttackContext(alg, trap.url)
    server = await serve(await createGuardedApp(database.db, context))
    expect((await send(withToken(context.victimToken))).text).toContain(VICTIM)
  })
  afterAll(async () => {
    server.close()
    trap.close()
  })

  function send(request: AttackRequest): Promise<RawAnswer> {
    return sendRaw(server.port, request)
  }

  const rows = attackTable.filter(({ contexts }) => contexts.includes(alg))
  for (const { title, request: toRequest, expected } of rows) {
    it(`answers ${expected} to ${title}`, async () => {
      const request = await toRequest(context)
      const answer = await send(request)
      expect(answer.status).toBe(expected)
      if (expected !== 200) expect(faultsOf(answer, request, context)).toEqual([])
    })
  }

  it('the address in the tokens was never requested', () => {
    expect(trap.hits()).toBe(0)
  })

  it('the victim has been served from the cache, and is still served', async () => {
    database.commands.clear()
    const answer = await send(withToken(context.victimToken))
    expect(answer.text).toContain(`"of":"${VICTIM}"`)
    expect(database.commands.named('aggregate', 'find')).toHaveLength(0)
  })
})
