import { ApolloServer } from '@apollo/server'
import { expressMiddleware } from '@as-integrations/express5'
import express from 'express'
import { CustomUserDataError } from 'express-custom-user-data'
import { GraphQLError } from 'graphql'
import request from 'supertest'
import { describe, expect, it, onTestFinished } from 'vitest'
import { ALICE, CHALLENGE, forgedToken, tokenOfAlice, useAlice } from './alice.js'
import type { TestUserData } from './alice.js'

const createUserData = useAlice()

interface Context {
  readonly user: Awaited<ReturnType<TestUserData['verifyToken']>>
}

/** Apollo reads the status and the headers of an answer from `extensions.http`. */
function toGraphQLError(error: unknown): unknown {
  if (!(error instanceof CustomUserDataError)) return error
  const { title, code, status, headers } = error
  return new GraphQLError(title, {
    extensions: { code, http: { status, headers: new Map(Object.entries(headers)) } },
    originalError: error,
  })
}

async function start() {
  const userData = createUserData()
  const server = new ApolloServer<Context>({
    typeDefs: 'type Query { plan: String }',
    resolvers: { Query: { plan: (_parent, _args, { user }: Context) => user.customData['plan'] } },
  })
  await server.start()
  onTestFinished(() => server.stop())
  const app = express().use(
    '/graphql',
    express.json(),
    expressMiddleware(server, {
      context: async ({ req }) => {
        const token = req.headers.authorization?.replace(/^bearer +/i, '')
        try {
          return { user: await userData.verifyToken(token) }
        } catch (error) {
          throw toGraphQLError(error)
        }
      },
    }),
  )
  const ask = (token?: string) =>
    request(app)
      .post('/graphql')
      .set(token === undefined ? {} : { Authorization: `Bearer ${token}` })
      .send({ query: '{ plan }' })
  return { ask, userData }
}

describe('in the context of Apollo Server', () => {
  it('verifyToken() gives resolvers the custom data', async () => {
    const { ask } = await start()
    expect((await ask(tokenOfAlice())).body).toEqual({ data: ALICE.customData })
  })

  it.each([
    ['no token', undefined, 'missing_token', CHALLENGE],
    ['a bad token', forgedToken(), 'invalid_token', 'error="invalid_token"'],
  ])('%s is 401 with its code and the challenge', async (_what, token, code, challenge) => {
    const { ask } = await start()
    const answer = await ask(token)
    expect(answer.status).toBe(401)
    expect(answer.headers['www-authenticate']).toContain(challenge)
    expect(answer.body.errors).toEqual([expect.objectContaining({ extensions: { code } })])
    expect(answer.headers['content-type']).toContain('application/json')
  })

  it('a load that fails is 503 with Retry-After', async () => {
    const { ask, userData } = await start()
    await userData.close()
    const answer = await ask(tokenOfAlice())
    expect(answer.status).toBe(503)
    expect(answer.headers['retry-after']).toBe('1')
  })
})
