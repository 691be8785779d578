import { setImmediate as idle } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { createConcurrencyLimit, QueueFullError } from '../../lib/util/concurrency-limit.js'

/** Operations that run until told to end, and how many of them do. */
function createOperations(limit: ReturnType<typeof createConcurrencyLimit>) {
  const running: { name: string; end: () => void; fail: (error: Error) => void }[] = []
  let most = 0
  return {
    running: () => running.map(({ name }) => name),
    most: () => most,
    find: (name: string) => running.find(operation => operation.name === name)!,
    start(name: string, signal = new AbortController().signal, isPreferred = false) {
      return limit.run(
        signal,
        () =>
          new Promise<string>((resolve, reject) => {
            const operation = {
              name,
              end: () => {
                running.splice(running.indexOf(operation), 1)
                resolve(name)
              },
              fail: (error: Error) => {
                running.splice(running.indexOf(operation), 1)
                reject(error)
              },
            }
            running.push(operation)
            most = Math.max(most, running.length)
          }),
        isPreferred,
      )
    },
  }
}

describe('a limit of concurrent operations', () => {
  it('lets that many run, and the others wait in order', async () => {
    const operations = createOperations(createConcurrencyLimit(2))
    const all = ['a', 'b', 'c', 'd'].map(name => operations.start(name))
    expect(operations.running()).toEqual(['a', 'b'])
    operations.find('b').end()
    await idle()
    expect(operations.running()).toEqual(['a', 'c'])
    operations.find('a').end()
    operations.find('c').end()
    await idle()
    operations.find('d').end()
    expect(await Promise.all(all)).toEqual(['a', 'b', 'c', 'd'])
  })

  it('lets preferred operations go first, in a queue of their own', async () => {
    const operations = createOperations(createConcurrencyLimit(1, 2))
    const { signal } = new AbortController()
    const all = [operations.start('a'), operations.start('b'), operations.start('c')]
    await expect(operations.start('no room')).rejects.toThrow(QueueFullError)
    all.push(operations.start('known', signal, true), operations.start('known too', signal, true))
    await expect(operations.start('no room', signal, true)).rejects.toThrow(QueueFullError)
    for (const next of ['a', 'known', 'known too', 'b', 'c']) {
      expect(operations.running()).toEqual([next])
      operations.find(next).end()
      await idle()
    }
    expect(await Promise.all(all)).toEqual(['a', 'b', 'c', 'known', 'known too'])
  })

  it('gives the place of a failed operation to the next', async () => {
    const operations = createOperations(createConcurrencyLimit(1))
    const failing = operations.start('a')
    const next = operations.start('b')
    operations.find('a').fail(new Error('no'))
    await expect(failing).rejects.toThrow('no')
    await idle()
    operations.find('b').end()
    expect(await next).toBe('b')
  })

  it('gives a free place to the operation that waits, not to one that comes at that moment', async () => {
    for (let ticks = 0; ticks < 10; ticks++) {
      const operations = createOperations(createConcurrencyLimit(1))
      const first = operations.start('first')
      const second = operations.start('second')
      operations.find('first').end()
      for (let tick = 0; tick < ticks; tick++) await Promise.resolve()
      const late = operations.start('late')
      await idle()
      expect(operations.running()).toEqual(['second'])
      operations.find('second').end()
      await idle()
      operations.find('late').end()
      await Promise.all([first, second, late])
      expect(operations.most()).toBe(1)
    }
  })

  it('never starts an operation whose signal aborted during the wait', async () => {
    const operations = createOperations(createConcurrencyLimit(1))
    const controller = new AbortController()
    const first = operations.start('a')
    const impatient = operations.start('b', controller.signal)
    const patient = operations.start('c')
    controller.abort(new Error('too late'))
    await expect(impatient).rejects.toThrow('too late')
    operations.find('a').end()
    await idle()
    expect(operations.running()).toEqual(['c'])
    operations.find('c').end()
    await Promise.all([first, patient])
  })

  it('never queues an operation whose signal has aborted already', async () => {
    const operations = createOperations(createConcurrencyLimit(1))
    const first = operations.start('a')
    await expect(operations.start('b', AbortSignal.abort(new Error('too late')))).rejects.toThrow('too late')
    operations.find('a').end()
    await first
  })
})
