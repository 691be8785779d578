import type { ClientSession, MongoClient } from 'mongodb'

/**
 * Sessions of the driver, for commands that are each alone in theirs meanwhile. The driver makes one for each command that is
 * given none, and ends it afterwards; at the server they come to the same. It is a twentieth of what such a command costs.
 */
export interface CommandSessions {
  /** One that no command is in; `undefined` where there is none to be had, for the driver to make its own. */
  take: () => ClientSession | undefined
  /** Of a command that was answered: it may be taken again. */
  giveBack: (session: ClientSession | undefined) => void
  /** Of a command that failed: the driver knows whether it can be used again. */
  discard: (session: ClientSession | undefined) => void
  /** From now on there are none. */
  giveUp: () => void
}

/** What is asked of a client, which some drivers keep to themselves. */
export interface SessionSource {
  readonly client?: Pick<MongoClient, 'startSession'> & { readonly options?: { loadBalanced?: boolean } }
}

/** More commands at a time have the driver make theirs: each end of a session looks at all that have ended. */
export const MAX_SESSIONS = 64

/** Creates the sessions of a database's client. */
export function createCommandSessions({ client }: SessionSource): CommandSessions {
  const idle: ClientSession[] = []
  let living = 0
  // Behind a load balancer a session keeps its connection for as long as it lives.
  let source = client?.options?.loadBalanced === true ? undefined : client

  /** The last that was given back, so that what a rush has left goes on resting. */
  function takeIdle(): ClientSession | undefined {
    let session = idle.pop()
    // A client that was closed has ended them all.
    for (; session?.hasEnded === true; session = idle.pop()) living--
    return session
  }

  return {
    take() {
      if (!source) return undefined
      const session = takeIdle()
      if (session || living >= MAX_SESSIONS) return session
      // As those that the driver makes by itself: no read has to wait for what another has seen.
      const started = source.startSession({ causalConsistency: false })
      living++
      return started
    },
    giveBack(session) {
      if (session) idle.push(session)
    },
    discard(session) {
      if (!session) return
      living--
      session.endSession().catch(() => undefined)
    },
    giveUp() {
      source = undefined
    },
  }
}
