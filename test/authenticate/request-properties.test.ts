import { setFlagsFromString } from 'node:v8'
import { runInThisContext } from 'node:vm'
import express from 'express'
import type { Request } from 'express'
import request from 'supertest'
import { beforeAll, describe, expect, it } from 'vitest'
import { prepareForProperties } from '../../lib/authenticate/request-properties.js'

const HAS_CLASS_FOR_EACH_REQUEST = Number.parseInt(process.versions.v8, 10) < 13

let haveSameClass: (one: object, other: object) => boolean
let hasClass: (object: object) => boolean
beforeAll(() => {
  // For this file: each has a process of its own.
  setFlagsFromString('--allow-natives-syntax')
  haveSameClass = runInThisContext('(one, other) => %HaveSameMap(one, other)') as typeof haveSameClass
  hasClass = runInThisContext('object => %HasFastProperties(object)') as typeof hasClass
})

/** What a middleware finds out about requests of Express, one after the other. */
async function ofRequests<T>(count: number, find: (req: Request) => T): Promise<T[]> {
  const found: T[] = []
  const app = express().use((req, res) => {
    found.push(find(req))
    res.end()
  })
  for (let n = 0; n < count; n++) await request(app).get('/')
  return found
}

function describeMembers(req: object) {
  return { keys: Reflect.ownKeys(req), descriptors: Object.getOwnPropertyDescriptors(req) }
}

describe('a request that is prepared for properties', () => {
  it('looks as it did before', async () => {
    const [same] = await ofRequests(1, req => {
      const before = describeMembers(req)
      prepareForProperties(req)
      expect(describeMembers(req)).toEqual(before)
      return true
    })
    expect(same).toBe(true)
  })

  it('keeps a user that somebody has set, and an accessor that somebody has made', () => {
    const user = { id: 'alice' }
    const own = { user } as unknown as Request
    const inherited: unknown = Object.create({ user })
    const made: unknown = Object.defineProperty({}, 'user', { get: () => user, configurable: true })
    for (const req of [own, inherited, made] as Request[]) {
      const before = Object.getOwnPropertyDescriptors(req)
      prepareForProperties(req)
      expect(Object.getOwnPropertyDescriptors(req)).toEqual(before)
    }
  })

  it('has no hidden class of its own, where V8 would make one for each request', async () => {
    const [prepared] = await ofRequests(1, req => {
      prepareForProperties(req)
      return hasClass(req)
    })
    expect(prepared).toBe(!HAS_CLASS_FOR_EACH_REQUEST)
  })

  it('needs it in just those versions of V8', async () => {
    const [one, other] = (await ofRequests(3, req => req)).slice(1)
    expect(haveSameClass(one!, other!)).toBe(!HAS_CLASS_FOR_EACH_REQUEST)
  })
})
