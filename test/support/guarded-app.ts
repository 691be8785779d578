import type { Server } from 'node:http'
import { once } from 'node:events'
import express from 'express'
import type { Express } from 'express'
import type { CustomUserData } from 'express-custom-user-data'
import { forgeToken, validClaims } from './user-data.js'

type TestUserData = CustomUserData<Readonly<Record<string, unknown>>>

/** Creates an app like a team's. `/login` accepts any user without a password, and `/me` is behind the guard. */
export function createGuardedApp(userData: TestUserData): Express {
  return express()
    .disable('x-powered-by')
    .post(
      '/login',
      userData.login(({ user }) => (typeof user === 'string' ? { id: user } : null)),
    )
    .post('/refresh', userData.refresh())
    .post('/logout', userData.logout())
    .get('/me', userData.authenticate(), (req, res) => res.json(userData.user(req).customData))
    .use(userData.errorHandler())
}

/** Lets an app listen on a free loopback port. */
export async function listen(app: Express): Promise<Server> {
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

/** Makes an `Authorization` value for a user, with another token on each call. */
export function bearerOf(userId: string, nowMs?: number): string {
  return `Bearer ${forgeToken({ claims: validClaims(userId, nowMs) })}`
}

/** Loads the custom data of a user under a token that was never used before. */
export async function loadCustomData(
  userData: TestUserData,
  userId: string,
  nowMs?: number,
): Promise<Readonly<Record<string, unknown>>> {
  const { customData } = await userData.verifyToken(forgeToken({ claims: validClaims(userId, nowMs) }))
  return customData
}
