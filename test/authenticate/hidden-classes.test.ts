import { setFlagsFromString } from 'node:v8'
import { runInThisContext } from 'node:vm'
import express from 'express'
import type { Request } from 'express'
import request from 'supertest'
import { beforeAll, describe, expect, it } from 'vitest'
import { avoidHiddenClasses } from '../../lib/authenticate/hidden-classes.js'

let haveSameClass: (one: object, other: object) => boolean
let isInFastMode: (object: object) => boolean
beforeAll(() => {
  // For this file: each has a process of its own.
  setFlagsFromString('--allow-natives-syntax')
  haveSameClass = runInThisContext('(one, other) => %HaveSameMap(one, other)') as typeof haveSameClass
  isInFastMode = runInThisContext('object => %HasFastProperties(object)') as typeof isInFastMode
})

/** Runs a check in a middleware for several requests of Express, one after the other. */
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
  it('looks unchanged', async () => {
    const [found] = await ofRequests(1, req => {
      const before = describeMembers(req)
      avoidHiddenClasses(req)
      return { before, after: describeMembers(req) }
    })
    expect(found?.after).toEqual(found?.before)
    expect(found?.after.keys).toContain('rawHeaders')
  })

  it('keeps a user that other middleware has set, and an accessor that it has defined', () => {
    const user = { id: 'alice' }
    const own = { user } as unknown as Request
    const inherited: unknown = Object.create({ user })
    const made: unknown = Object.defineProperty({}, 'user', { get: () => user, configurable: true })
    for (const req of [own, inherited, made] as Request[]) {
      const before = Object.getOwnPropertyDescriptors(req)
      avoidHiddenClasses(req)
      expect(Object.getOwnPropertyDescriptors(req)).toEqual(before)
    }
  })

  it('is in dictionary mode only if V8 would give each request its own hidden class', async () => {
    const [, one, other] = await ofRequests(3, req => req)
    const [isFast] = await ofRequests(1, req => {
      avoidHiddenClasses(req)
      return isInFastMode(req)
    })
    expect(isFast).toBe(haveSameClass(one!, other!))
  })
})
