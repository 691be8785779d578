import { stat } from 'node:fs/promises'
import { setImmediate as nextCheckPhase, setTimeout as wait } from 'node:timers/promises'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { DeadlineError, MAX_TIMER_MS, withDeadline } from '../../lib/util/deadline.js'

const NEVER = new Promise<never>(() => undefined)

describe('an operation with a deadline', () => {
  it('gives the result of the operation', async () => {
    expect(await withDeadline(1_000, () => Promise.resolve('done'))).toBe('done')
  })

  it('rejects with the error of the operation', async () => {
    const error = new Error('no')
    await expect(withDeadline(1_000, () => Promise.reject(error))).rejects.toBe(error)
  })

  it('rejects in time if the operation never settles', async () => {
    await expect(withDeadline(20, () => NEVER)).rejects.toBeInstanceOf(DeadlineError)
  })

  it('aborts its signal with the error that it rejects with', async () => {
    let signal: AbortSignal | undefined
    const rejection: unknown = await withDeadline(20, given => {
      signal = given
      return NEVER
    }).catch((error: unknown) => error)
    expect(signal?.aborted).toBe(true)
    expect(signal?.reason).toBe(rejection)
    expect(rejection).toBeInstanceOf(DeadlineError)
  })

  it('does not abort its signal if the operation was in time', async () => {
    let signal: AbortSignal | undefined
    await withDeadline(20, async given => {
      signal = given
    })
    await wait(40)
    expect(signal?.aborted).toBe(false)
  })

  it('leaves no timer behind when the operation has settled', async () => {
    const before = activeTimers()
    await withDeadline(60_000, async () => 'done')
    await withDeadline(60_000, () => Promise.reject(new Error('no'))).catch(() => undefined)
    expect(activeTimers()).toBe(before)
  })

  it('keeps the process from ending while the operation runs', async () => {
    const before = activeTimers()
    let meanwhile: number | undefined
    await withDeadline(60_000, async () => {
      meanwhile = activeTimers()
    })
    expect(meanwhile).toBe(before + 1)
  })

  it('is not over because an earlier operation with the same limit is over', async () => {
    const first = withDeadline(40, () => NEVER).catch(() => 'over')
    await wait(25)
    const second = withDeadline(40, () => wait(25, 'done'))
    expect(await Promise.all([first, second])).toEqual(['over', 'done'])
  })

  it('gives an answer that arrived while the process stood still beyond the limit', async () => {
    // The timers are the next phase of the event loop.
    await nextCheckPhase()
    let signal: AbortSignal | undefined
    const answer = withDeadline(40, given => {
      signal = given
      return stat(import.meta.filename)
    })
    standStill(300)
    expect((await answer).isFile()).toBe(true)
    await nextCheckPhase()
    expect(signal?.aborted).toBe(false)
  })

  it('takes its time from a timer that a test can move', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const never = withDeadline(60_000, () => NEVER)
    vi.advanceTimersByTime(60_000)
    await expect(never).rejects.toThrow('No answer within 60000 ms')
  })

  it('may have the longest limit that a timer accepts', async () => {
    expect(await withDeadline(MAX_TIMER_MS, () => wait(20, 'done'))).toBe('done')
  })

  it('rejects with an error that the operation throws synchronously, and leaves no timer behind', async () => {
    const before = activeTimers()
    const thrown = withDeadline(60_000, () => {
      throw new Error('at once')
    })
    await expect(thrown).rejects.toThrow('at once')
    expect(activeTimers()).toBe(before)
  })

  it('causes no unhandled rejection if the operation fails after the deadline', async () => {
    const unhandled: unknown[] = []
    const listener = (reason: unknown) => unhandled.push(reason)
    process.on('unhandledRejection', listener)
    let fail!: (error: Error) => void
    const late = new Promise<never>((_resolve, reject) => (fail = reject))
    await expect(withDeadline(10, () => late)).rejects.toBeInstanceOf(DeadlineError)
    fail(new Error('late'))
    await wait(20)
    process.off('unhandledRejection', listener)
    expect(unhandled).toEqual([])
  })
})

function standStill(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}

function activeTimers(): number {
  return process.getActiveResourcesInfo().filter(resource => resource === 'Timeout').length
}
