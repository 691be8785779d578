import type { CommandStartedEvent, CommandSucceededEvent, MongoClient } from 'mongodb'

/** Records the commands of a client from now on, to count how many of them waited for each other. */
export function recordSteps(client: MongoClient) {
  const startedAt = new Map<number, number>()
  /** In the order of their ends. */
  const ended: { readonly startedAt: number; readonly endedAt: number }[] = []
  const onStart = ({ requestId }: CommandStartedEvent) => {
    startedAt.set(requestId, performance.now())
  }
  const onEnd = ({ requestId }: Pick<CommandSucceededEvent, 'requestId'>) => {
    const start = startedAt.get(requestId)
    if (start !== undefined) ended.push({ startedAt: start, endedAt: performance.now() })
  }
  client.on('commandStarted', onStart).on('commandSucceeded', onEnd).on('commandFailed', onEnd)

  return {
    /**
     * Stops, and returns the largest number of commands of which no two overlapped in time. Commands that have not ended
     * are left out, because the answer did not wait for them.
     */
    stop(): number {
      client.off('commandStarted', onStart).off('commandSucceeded', onEnd).off('commandFailed', onEnd)
      let count = 0
      let lastEnd = -Infinity
      for (const command of ended) {
        if (command.startedAt < lastEnd) continue
        count++
        lastEnd = command.endedAt
      }
      return count
    },
  }
}
