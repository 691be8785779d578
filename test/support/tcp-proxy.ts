import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'

/** A proxy on a loopback port that injects the faults of a network. */
export interface TcpProxy {
  port: number
  /** Holds everything in both directions until {@link resume}, like a silent network. */
  pause: () => void
  /** Lets requests through and holds the answers to them, until {@link resume}. */
  holdAnswers: () => void
  /**
   * Whether an answer that contains this text is held. Then the server has done its work, and the client does not
   * know it.
   * Answers of connections that were cut meanwhile count as well.
   */
  holdsAnswer: (text: string) => boolean
  /** Delivers the data that {@link pause} or {@link holdAnswers} held, and forwards again. */
  resume: () => void
  /** Resets all connections and refuses new ones until {@link restore}, like a server that is down. */
  cut: () => void
  /** Delays every answer by so many milliseconds. */
  delay: (ms: number) => void
  /** Lets requests reach the server and throws its answers away. */
  dropResponses: () => void
  /** Replaces a text in the server's answers by another text of the same length. */
  rewrite: (text: string, other: string) => void
  /** Ends every fault and listens on the same port as before. */
  restore: () => Promise<void>
  /** Ends all connections and stops listening. */
  close: () => Promise<void>
}

/** Listens on a free loopback port and forwards to the target. */
export async function startTcpProxy(targetHost: string, targetPort: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>()
  const requestGate = createGate()
  const answerGate = createGate()
  const heldAnswers = new Set<Buffer>()
  const faults = { dropResponses: false, delayMs: 0, rewrite: (chunk: Buffer) => chunk }

  const track = (socket: Socket) => {
    sockets.add(socket)
    // Resets are expected here, and the event 'close' follows each.
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
  }

  const server = createServer(client => {
    const target = connect(targetPort, targetHost)
    track(client)
    track(target)
    forward(client, target, async chunk => {
      await requestGate.opened()
      return chunk
    })
    forward(target, client, async chunk => {
      if (faults.delayMs > 0) await wait(faults.delayMs)
      heldAnswers.add(chunk)
      await answerGate.opened()
      heldAnswers.delete(chunk)
      return faults.dropResponses ? undefined : faults.rewrite(chunk)
    })
  })

  const listen = async (port: number) => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  }
  // Refuse new connections. Drivers would take a reset after accepting for an overloaded server.
  const cut = () => {
    server.close()
    for (const socket of sockets) socket.resetAndDestroy()
  }

  const resume = () => {
    requestGate.open()
    answerGate.open()
  }

  const port = await findPort(listen)
  return {
    port,
    pause: () => {
      requestGate.shut()
      answerGate.shut()
    },
    holdAnswers: answerGate.shut,
    holdsAnswer: text => Array.from(heldAnswers).some(answer => answer.includes(text)),
    resume,
    cut,
    delay: ms => {
      faults.delayMs = ms
    },
    dropResponses: () => {
      faults.dropResponses = true
    },
    rewrite: (text, other) => {
      faults.rewrite = chunk => Buffer.from(chunk.toString('latin1').replaceAll(text, other), 'latin1')
    },
    restore: async () => {
      Object.assign(faults, { dropResponses: false, delayMs: 0, rewrite: (chunk: Buffer) => chunk })
      resume()
      if (!server.listening) await listen(port)
    },
    close: async () => {
      resume()
      server.close()
      const closed = Array.from(sockets, socket => new Promise(resolve => socket.once('close', resolve)))
      // A reset would wait for data that is still to be written, and the other side may not read it.
      for (const socket of sockets) socket.destroy()
      await Promise.all(closed)
    },
  }
}

/**
 * Listens on a port that systems do not give to connections and servers by themselves. Such a port is still free when a
 * proxy that was cut listens again.
 */
async function findPort(listen: (port: number) => Promise<void>): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    const port = randomInt(20_000, 32_000)
    try {
      await listen(port)
      return port
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || attempt === 100) throw error
    }
  }
}

/**
 * Passes chunks on in their order, each when `deliver` resolves to it. `undefined` drops a chunk. The end comes last.
 */
function forward(from: Socket, to: Socket, deliver: (chunk: Buffer) => Promise<Buffer | undefined>): void {
  let last: Promise<unknown> = Promise.resolve()
  from.on('data', (chunk: Buffer) => {
    // Begin now, because a delay counts from the arrival of the chunk.
    const delivery = deliver(chunk)
    last = last.then(async () => {
      const passed = await delivery
      if (passed !== undefined && to.writable) to.write(passed)
    })
  })
  from.on('close', () => {
    void last.then(() => to.destroy())
  })
}

function createGate() {
  let barrier = Promise.resolve()
  let release: (() => void) | undefined
  return {
    opened: () => barrier,
    shut: () => {
      if (release !== undefined) return
      barrier = new Promise<void>(resolve => (release = resolve))
    },
    open: () => {
      release?.()
      release = undefined
    },
  }
}
