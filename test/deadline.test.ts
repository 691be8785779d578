import { setTimeout as wait } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { DeadlineError, withDeadline } from '../lib/deadline.js'

const NEVER = new Promise<never>(() => undefined)

describe('an operation with a deadline', () => {
  it('gives its result', async () => {
    expect(await withDeadline(1_000, () => Promise.resolve('done'))).toBe('done')
  })

  it('rejects as it rejected', async () => {
    const error = new Error('no')
    await expect(withDeadline(1_000, () => Promise.reject(error))).rejects.toBe(error)
  })

  it('rejects in time although it never settles', async () => {
    await expect(withDeadline(20, () => NEVER)).rejects.toBeInstanceOf(DeadlineError)
  })

  it('has its signal aborted in time, with the same error', async () => {
    let signal: AbortSignal | undefined
    const rejection: unknown = await withDeadline(20, given => {
      signal = given
      return NEVER
    }).catch((error: unknown) => error)
    expect(signal?.aborted).toBe(true)
    expect(signal?.reason).toBe(rejection)
  })

  it('keeps its signal whole when it was in time', async () => {
    let signal: AbortSignal | undefined
    await withDeadline(20, async given => {
      signal = given
    })
    await wait(40)
    expect(signal?.aborted).toBe(false)
  })

  it('leaves no timer behind', async () => {
    const before = activeTimers()
    await withDeadline(60_000, async () => 'done')
    await withDeadline(60_000, () => Promise.reject(new Error('no'))).catch(() => undefined)
    expect(activeTimers()).toBe(before)
  })

  it('may fail after its deadline without an unhandled rejection', async () => {
    const unhandled: unknown[] = []
    const listener = (reason: unknown) => unhandled.push(reason)
    process.on('unhandledRejection', listener)
    const late = wait(40).then(() => Promise.reject(new Error('late')))
    await expect(withDeadline(10, () => late)).rejects.toBeInstanceOf(DeadlineError)
    await wait(60)
    process.off('unhandledRejection', listener)
    expect(unhandled).toEqual([])
  })
})

function activeTimers(): number {
  return process.getActiveResourcesInfo().filter(resource => resource === 'Timeout').length
}
