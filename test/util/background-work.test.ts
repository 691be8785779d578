import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { BackgroundWork } from '../../lib/util/background-work.js'
import { createManualClock } from '../support/clock.js'

describe('close()', () => {
  it('resolves although each operation is followed by another one, because requests still come in', async () => {
    const clock = createManualClock()
    const work = new BackgroundWork(clock)
    let begun = 0
    const begin = () => {
      if (++begun === 1_000) return
      work.start(async () => {
        await setImmediate()
        clock.advance(100)
        begin()
      })
    }
    begin()
    await work.close()
    expect(begun).toBeLessThan(100)
  })

  it('waits for the operations that run when its time is over', async () => {
    const clock = createManualClock()
    const work = new BackgroundWork(clock)
    const ended: string[] = []
    const operation = async (name: string) => {
      await setImmediate()
      clock.advance(5_000)
      ended.push(name)
    }
    work.start(async () => {
      work.start(async () => {
        await setImmediate()
        await operation('later')
      })
      await operation('earlier')
    })
    await work.close()
    expect(ended).toEqual(['earlier', 'later'])
  })

  it('waits for what an operation begins', async () => {
    const work = new BackgroundWork(createManualClock())
    const ended: string[] = []
    work.start(async () => {
      await setImmediate()
      work.start(async () => {
        await setImmediate()
        ended.push('second')
      })
      ended.push('first')
    })
    await work.close()
    expect(ended).toEqual(['first', 'second'])
  })
})
