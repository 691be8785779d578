import { stat } from 'node:fs/promises'
import { setImmediate as nextCheckPhase, setTimeout as wait } from 'node:timers/promises'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { DeadlineError, MAX_TIMER_MS, withDeadline } from '../../lib/util/deadline.js'

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

  it('has its signal aborted in time, with an error like its own', async () => {
    let signal: AbortSignal | undefined
    const rejection: unknown = await withDeadline(20, given => {
      signal = given
      return NEVER
    }).catch((error: unknown) => error)
    expect(signal?.aborted).toBe(true)
    expect(signal?.reason).toEqual(rejection)
    expect(signal?.reason).toBeInstanceOf(DeadlineError)
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

  it('keeps the process from ending while an operation runs, also one that joins the timer of another', async () => {
    const before = activeTimers()
    await withDeadline(60_000, async () => 'done')
    let meanwhile: number | undefined
    await withDeadline(60_000, async () => {
      meanwhile = activeTimers()
    })
    expect(meanwhile).toBe(before + 1)
    expect(activeTimers()).toBe(before)
  })

  it('has its own time, however short before it another one ended', async () => {
    for (let n = 0; n < 3; n++) {
      await withDeadline(30, async () => 'done')
      await expect(withDeadline(30, () => NEVER)).rejects.toBeInstanceOf(DeadlineError)
    }
  })

  it('has no less than its time where it began after another with which it shares a timer', async () => {
    const first = withDeadline(50, () => NEVER).catch(() => 'over')
    await wait(5)
    const startedAt = performance.now()
    const second = withDeadline(50, () => NEVER).catch(() => performance.now() - startedAt)
    expect(await first).toBe('over')
    // Timers round down by up to a millisecond.
    expect(await second).toBeGreaterThanOrEqual(49)
  })

  it('is not over because another of the same time is', async () => {
    const first = withDeadline(40, () => NEVER).catch(() => 'over')
    await wait(25)
    const second = withDeadline(40, () => wait(25, 'done'))
    expect(await Promise.all([first, second])).toEqual(['over', 'done'])
  })

  it.each([
    [400, 430],
    [400, 500],
    [40, 300],
  ])(
    'of %i ms is not over because the process stood still for %i ms while its answer came',
    async (ms, still) => {
      // Of all phases of the event loop that of the timers comes next.
      await nextCheckPhase()
      const answer = withDeadline(ms, () => stat(import.meta.filename))
      standStill(still)
      expect((await answer).isFile()).toBe(true)
    },
  )

  it('gets what it missed while the process stood still, and no more than its time', async () => {
    const timers = spyOnTimers()
    let delaysAtAbort: unknown
    const never = withDeadline(200, signal => {
      signal.addEventListener('abort', () => (delaysAtAbort = timers.delays()))
      return NEVER
    })
    standStill(1_000)
    await expect(never).rejects.toBeInstanceOf(DeadlineError)
    // With what operations share.
    expect(delaysAtAbort).toEqual([210, 200])
  })

  it('leaves no timer behind where it settles in what it missed', async () => {
    const timers = spyOnTimers()
    await nextCheckPhase()
    const answer = withDeadline(200, () => nextCheckPhase('done'))
    standStill(1_000)
    expect(await answer).toBe('done')
    expect(timers.delays()).toEqual([210, 200])
    expect(timers.cleared()).toContain(timers.last())
  })

  it('may be as long as a timer can be', async () => {
    expect(await withDeadline(MAX_TIMER_MS, () => wait(20, 'done'))).toBe('done')
  })

  it('rejects what its operation throws at once, and leaves no timer behind', async () => {
    const before = activeTimers()
    const thrown = withDeadline(60_000, () => {
      throw new Error('at once')
    })
    await expect(thrown).rejects.toThrow('at once')
    expect(activeTimers()).toBe(before)
  })

  it('lets any number of operations listen to one signal without a warning', async () => {
    const warnings: unknown[] = []
    const listener = (warning: unknown) => warnings.push(warning)
    process.on('warning', listener)
    const listen = async (signal: AbortSignal) => {
      signal.addEventListener('abort', () => undefined)
    }
    await Promise.all(Array.from({ length: 100 }, () => withDeadline(1_000, listen)))
    await wait(10)
    process.off('warning', listener)
    expect(warnings).toEqual([])
  })

  it('has those of its listeners called that are still there, once, with the signal', async () => {
    const heard: unknown[] = []
    const gone = (): number => heard.push('gone')
    const late = (): number => heard.push('gone while others are called')
    const run = withDeadline(20, signal => {
      signal.addEventListener('abort', gone)
      signal.addEventListener('abort', function (this: AbortSignal) {
        heard.push(this === signal && signal.aborted)
      })
      signal.addEventListener('abort', { handleEvent: ({ type }) => heard.push(type) })
      signal.addEventListener('abort', () => signal.removeEventListener('abort', late))
      signal.addEventListener('abort', late)
      signal.removeEventListener('abort', gone)
      return NEVER
    })
    await run.catch(() => undefined)
    expect(heard).toEqual([true, 'abort'])
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

/** The timers of deadlines from now on, until the end of the test. */
function spyOnTimers() {
  const set = vi.spyOn(globalThis, 'setTimeout')
  const clear = vi.spyOn(globalThis, 'clearTimeout')
  onTestFinished(() => {
    set.mockRestore()
    clear.mockRestore()
  })
  return {
    delays: () => set.mock.calls.map(([, ms]) => ms),
    last: () => set.mock.results.at(-1)?.value as unknown,
    cleared: () => clear.mock.calls.map(([timer]) => timer as unknown),
  }
}

function standStill(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}

function activeTimers(): number {
  return process.getActiveResourcesInfo().filter(resource => resource === 'Timeout').length
}
