import { beforeEach, describe, expect, it } from 'vitest'
import { createChangeIndex } from '../../lib/snapshots/change-index.js'
import type { ChangeIndex } from '../../lib/snapshots/change-index.js'
import { UserGenerations } from '../../lib/snapshots/user-generations.js'
import type { UserGeneration } from '../../lib/snapshots/user-generations.js'
import { heapGrowth } from '../support/heap.js'

let dependents: ChangeIndex<UserGeneration>
let generations: UserGenerations
beforeEach(() => {
  dependents = createChangeIndex()
  generations = new UserGenerations(dependents.forget)
})

/** A finished load whose snapshot is kept. */
function load(userId: string, ...keys: string[]): UserGeneration {
  const generation = generations.hold(userId)
  expect(dependents.hasChanged(dependents.begin(), generation, () => keys)).toBe(false)
  dependents.end()
  return generation
}

const changed = (...keys: string[]) => dependents.changed(keys).map(({ userId }) => userId)

describe('a change', () => {
  it('finds the users of a loaded document by each key', () => {
    load('alice', 'document 1', 'user alice')
    load('bob', 'document 2', 'user bob')
    expect(changed('document 1')).toEqual(['alice'])
    expect(changed('document 3', 'user bob')).toEqual(['bob'])
    expect(changed('document 3')).toEqual([])
  })

  it('finds all users who share a document', () => {
    load('alice', 'document 1')
    load('idp|alice', 'document 1')
    expect(changed('document 1')).toEqual(['alice', 'idp|alice'])
  })

  it('does not find users without snapshots or users who were invalidated', () => {
    generations.release(load('alice', 'document 1'))
    load('bob', 'document 1')
    generations.invalidate('bob')
    load('carol', 'document 1')
    generations.invalidateAll()
    expect(changed('document 1')).toEqual([])
  })

  it('finds the remaining users of a document that several users shared', () => {
    load('alice', 'document 1')
    generations.release(load('bob', 'document 1'))
    expect(changed('document 1')).toEqual(['alice'])
  })
})

describe('a load', () => {
  it('is overtaken only by a change of its own document or user that came after its start', () => {
    const alice = generations.hold('alice')
    const early = dependents.begin()
    dependents.changed(['document 1'])
    const late = dependents.begin()
    expect(dependents.hasChanged(early, alice, () => ['document 2'])).toBe(false)
    expect(dependents.hasChanged(early, alice, () => ['user alice', 'document 1'])).toBe(true)
    expect(dependents.hasChanged(late, alice, () => ['document 1'])).toBe(false)
  })

  it('counts as overtaken after more changes than are remembered', () => {
    const alice = generations.hold('alice')
    const early = dependents.begin()
    for (let n = 0; n < 1_000; n++) dependents.changed([`document ${n}`])
    expect(dependents.hasChanged(early, alice, () => ['document x'])).toBe(false)
    dependents.changed(['document y'])
    expect(dependents.hasChanged(early, alice, () => ['document x'])).toBe(true)
    expect(dependents.hasChanged(dependents.begin(), alice, () => ['document x'])).toBe(false)
  })

  it('of a generation that has ended is not found', () => {
    const alice = generations.hold('alice')
    const mark = dependents.begin()
    generations.invalidate('alice')
    expect(dependents.hasChanged(mark, alice, () => ['document 1'])).toBe(false)
    expect(changed('document 1')).toEqual([])
  })
})

it('the index takes no memory for finished loads', async () => {
  const growth = await heapGrowth(() => {
    dependents.begin()
    for (let n = 0; n < 50_000; n++) {
      dependents.changed([`document ${n}`, 'user null'])
      generations.release(load(`user-${n}`, `kept ${n}`, 'shared'))
    }
    dependents.end()
  })
  expect(growth).toBeLessThan(1024 * 1024)
  expect(changed('shared')).toEqual([])
})
