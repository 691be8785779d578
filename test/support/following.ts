import type { Db } from 'mongodb'
import type { ChangeStreamEvent, CustomUserDataOptions, WarningEvent } from 'express-custom-user-data'
import { expect } from 'vitest'
import { createTestUserData, forgeToken, validClaims } from './user-data.js'

type Options = Partial<CustomUserDataOptions<Record<string, unknown>>>
type UserData = ReturnType<typeof createTestUserData>

/** An instance that follows changes, like one process of several, and the events of its streams. */
export interface Follower {
  readonly userData: UserData
  readonly states: ChangeStreamEvent[]
  readonly warnings: WarningEvent[]
  /** The custom data under the one token of a user. */
  readonly dataOf: (userId: string) => Promise<unknown>
  /** The error with which a token is refused, or `undefined`. */
  readonly errorOf: (token: string) => Promise<unknown>
  /** Waits until a user's token gives this custom data. */
  readonly seesOf: (userId: string, expected: unknown) => Promise<void>
  /** Waits until a stream has reported a state so many times. */
  readonly until: (
    of: ChangeStreamEvent['of'],
    state: ChangeStreamEvent['state'],
    times?: number,
  ) => Promise<void>
}

/** Creates an instance. It opens its streams at its first request. */
export function createFollower(db: Db, options: Options = {}): Follower {
  const userData = createTestUserData({ db }, { changeStreams: 'auto', ...options })
  const states: ChangeStreamEvent[] = []
  const warnings: WarningEvent[] = []
  userData.events.on('change_stream', event => states.push(event))
  userData.events.on('warning', warning => warnings.push(warning))
  const tokens = new Map<string, string>()
  async function dataOf(userId: string): Promise<unknown> {
    const token = tokens.get(userId) ?? forgeToken({ claims: validClaims(userId) })
    tokens.set(userId, token)
    return (await userData.verifyToken(token)).customData
  }
  return {
    userData,
    states,
    warnings,
    dataOf,
    errorOf: token =>
      userData.verifyToken(token).then(
        () => undefined,
        (error: unknown) => error,
      ),
    seesOf: (userId, expected) => expect.poll(() => dataOf(userId)).toEqual(expected),
    until: (of, state, times = 1) =>
      expect.poll(() => states.filter(event => event.of === of && event.state === state)).toHaveLength(times),
  }
}

/** Creates an instance whose streams are open. */
export async function startFollower(db: Db, options: Options = {}): Promise<Follower> {
  const follower = createFollower(db, options)
  await follower.userData.ready()
  expect(follower.states.map(({ state }) => state)).toEqual(['open', 'open'])
  return follower
}
