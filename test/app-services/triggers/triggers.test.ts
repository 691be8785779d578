import { Credentials } from 'realm-web'
import { expect, test } from 'vitest'
import type { AppServicesOptions, TriggerEvent, TriggerOptions } from 'express-custom-user-data/app-services'
import { useDatabase } from '../../support/database.js'
import { startRealmService } from '../support/realm-service.js'
import type { RealmServiceOptions } from '../support/realm-service.js'

const database = useDatabase()

const providers: AppServicesOptions['providers'] = {
  anonymous: true,
  customFunction: ({ id }) => ({ id: String(id), city: 'Vienna' }),
}

function start(triggers: readonly TriggerOptions[], options: RealmServiceOptions = {}) {
  return startRealmService(database, { ...options, service: { providers, triggers, ...options.service } })
}

test('a first login fires CREATE and then LOGIN, and a second one LOGIN alone', async () => {
  const events: TriggerEvent[] = []
  const handler = (event: TriggerEvent) => events.push(event)
  const service = await start([
    { operationType: 'LOGIN', handler },
    { operationType: 'CREATE', handler },
  ])
  const user = await service.newClient().logIn(Credentials.function({ id: 'ada' }))
  await expect.poll(() => events.map(({ operationType }) => operationType)).toEqual(['CREATE', 'LOGIN'])
  expect(events[0]).toEqual({
    operationType: 'CREATE',
    providers: ['custom-function'],
    time: expect.any(Date),
    user: {
      id: user.id,
      type: 'normal',
      data: { city: 'Vienna' },
      custom_data: {},
      identities: [{ id: 'ada', provider_type: 'custom-function', data: { city: 'Vienna' } }],
    },
  })
  await service.newClient().logIn(Credentials.function({ id: 'ada' }))
  await expect.poll(() => events).toHaveLength(3)
  expect(events[2]?.operationType).toBe('LOGIN')
})

test('LOGIN tells the custom data of the new token, and LOGOUT tells the provider of the session', async () => {
  const events: TriggerEvent[] = []
  const handler = (event: TriggerEvent) => events.push(event)
  const service = await start([
    { operationType: 'LOGIN', handler },
    { operationType: 'LOGOUT', handler },
  ])
  const first = await service.newClient().logIn(Credentials.function({ id: 'grace' }))
  await service.userData.forUser(first.id).update({ $set: { theme: 'dark' } }, { upsert: true })
  const user = await service.newClient().logIn(Credentials.function({ id: 'grace' }))
  await expect.poll(() => events).toHaveLength(2)
  expect(events[1]?.user.custom_data).toMatchObject({ theme: 'dark' })
  await user.logOut()
  await expect.poll(() => events).toHaveLength(3)
  expect(events[2]).toMatchObject({
    operationType: 'LOGOUT',
    providers: ['custom-function'],
    user: { id: user.id },
  })
})

test('a trigger reacts to its providers only', async () => {
  const events: TriggerEvent[] = []
  const all: TriggerEvent[] = []
  const service = await start([
    { operationType: 'LOGIN', providers: ['custom-function'], handler: event => events.push(event) },
    { operationType: 'LOGIN', handler: event => all.push(event) },
  ])
  await service.newClient().logIn(Credentials.anonymous())
  await service.newClient().logIn(Credentials.function({ id: 'kay' }))
  await expect.poll(() => all).toHaveLength(2)
  expect(events.map(event => event.providers)).toEqual([['custom-function']])
})

test('one trigger cannot change the event of another', async () => {
  let seen: TriggerEvent | undefined
  const service = await start([
    {
      operationType: 'LOGIN',
      handler: event => {
        event.time.setTime(0)
        Object.assign(event.user.data, { changed: true })
        Object.assign(event.user.custom_data, { changed: true })
        ;(event.providers as string[]).length = 0
      },
    },
    { operationType: 'LOGIN', handler: event => void (seen = event) },
  ])
  await service.newClient().logIn(Credentials.function({ id: 'joan' }))
  await expect.poll(() => seen).toBeDefined()
  expect(seen?.time.getTime()).toBeGreaterThan(0)
  expect(seen?.user).toMatchObject({ data: { city: 'Vienna' }, custom_data: {} })
  expect(seen?.user.data).not.toHaveProperty('changed')
  expect(seen?.providers).toEqual(['custom-function'])
})

test('a trigger that hangs or fails delays no answer and no other trigger', async () => {
  let ran = 0
  const service = await start([
    { operationType: 'LOGIN', handler: () => new Promise(() => undefined) },
    {
      name: 'welcome',
      operationType: 'LOGIN',
      handler: () => {
        throw new Error('no mail server')
      },
    },
    { operationType: 'LOGIN', handler: () => Promise.reject(new Error('a rejection')) },
    { operationType: 'LOGIN', handler: () => ++ran },
  ])
  const user = await service.newClient().logIn(Credentials.anonymous())
  expect(user.isLoggedIn).toBe(true)
  await expect.poll(() => ran).toBe(1)
  await expect.poll(() => String(service.reports)).toContain('The trigger triggers.2 (LOGIN) failed.')
  expect(String(service.reports)).toMatch(/a rejection.*no mail server|no mail server.*a rejection/s)
  expect(String(service.reports)).toContain('The trigger triggers.1 "welcome" (LOGIN) failed.')
})

test('a user who was created gets CREATE even if no token could be issued', async () => {
  const events: TriggerEvent[] = []
  const handler = (event: TriggerEvent) => events.push(event)
  const hooks = {
    beforeLogin: () => {
      throw new Error('the hook is broken')
    },
  }
  const service = await start(
    [
      { operationType: 'CREATE', handler },
      { operationType: 'LOGIN', handler },
    ],
    { instance: { hooks } },
  )
  await expect(service.newClient().logIn(Credentials.function({ id: 'mary' }))).rejects.toMatchObject({
    statusCode: 500,
  })
  await expect.poll(() => events.map(({ operationType }) => operationType)).toEqual(['CREATE'])
})

test('close() waits for triggers that run', async () => {
  const steps: string[] = []
  let release: (() => void) | undefined
  const service = await start([
    {
      operationType: 'LOGIN',
      async handler() {
        steps.push('begins')
        await new Promise<void>(resolve => {
          release = resolve
        })
        steps.push('ends')
      },
    },
  ])
  await service.newClient().logIn(Credentials.anonymous())
  await expect.poll(() => steps).toEqual(['begins'])
  const closed = service.appServices.close().then(() => steps.push('closed'))
  release?.()
  await closed
  expect(steps).toEqual(['begins', 'ends', 'closed'])
})

test.each<[string, unknown, string]>([
  ['another operation', { operationType: 'UPDATE', handler: () => 1 }, 'triggers.0.operationType'],
  [
    'another provider',
    { operationType: 'LOGIN', providers: ['x'], handler: () => 1 },
    'triggers.0.providers.0',
  ],
  ['no provider', { operationType: 'LOGIN', providers: [], handler: () => 1 }, 'triggers.0.providers'],
  ['no handler', { operationType: 'LOGIN' }, 'triggers.0.handler'],
])('a trigger with %s is refused at the start', async (_name, trigger, place) => {
  await expect(start([trigger as TriggerOptions])).rejects.toThrow(`option "${place}"`)
})
