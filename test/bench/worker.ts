import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** A child process that answers calls. */
export interface Worker {
  /** Calls a handler of the worker; rejects where it does, where the worker ends, and after `limitMs`. */
  ask: <T>(call: string, input?: object, limitMs?: number) => Promise<T>
  /** Ends the process and waits for that. */
  stop: () => Promise<void>
}

interface Reply {
  readonly id: number
  readonly result?: unknown
  readonly error?: string
}

interface Waiting {
  readonly resolve: (result: unknown) => void
  readonly reject: (error: Error) => void
}

const DEFAULT_LIMIT_MS = 30_000

/** Starts a file of `peers/` in a process of its own. */
export function startWorker(file: string, execArgv: readonly string[] = []): Worker {
  const path = fileURLToPath(new URL(`peers/${file}`, import.meta.url))
  const child = fork(path, { execArgv: [...execArgv], serialization: 'advanced' })
  const waiting = new Map<number, Waiting>()
  let lastId = 0
  child.on('message', ({ id, result, error }: Reply) => {
    const asked = waiting.get(id)
    if (error === undefined) asked?.resolve(result)
    else asked?.reject(new Error(`${file}: ${error}`))
  })
  const ended = once(child, 'exit').then(() => {
    for (const { reject } of waiting.values()) reject(new Error(`${file} ended before it answered.`))
  })

  return {
    ask<T>(call: string, input: object = {}, limitMs = DEFAULT_LIMIT_MS) {
      const id = ++lastId
      return new Promise<unknown>((resolve, reject) => {
        const tooLate = () => reject(new Error(`${file}: no answer to "${call}" in ${limitMs} ms.`))
        const timer = setTimeout(tooLate, limitMs)
        const settled = () => {
          clearTimeout(timer)
          waiting.delete(id)
        }
        waiting.set(id, {
          resolve: result => {
            settled()
            resolve(result)
          },
          reject: error => {
            settled()
            reject(error)
          },
        })
        child.send({ id, call, input }, error => {
          if (error) waiting.get(id)?.reject(error)
        })
      }) as Promise<T>
    },
    async stop() {
      child.kill('SIGKILL')
      await ended
    },
  }
}
