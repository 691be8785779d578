import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'

/** A proxy on a loopback port that can do to a connection what a network does. */
export interface TcpProxy {
  port: number
  /** Accepts and holds everything, in both directions, until {@link resume}: a network that has gone silent. */
  pause: () => void
  /** Lets requests through and holds the answers to them, until {@link resume}. */
  holdAnswers: () => void
  /**
   * Whether an answer with this text in it is being held, to whatever was asked: the server has done its work, and nobody
   * knows. Those of connections that were cut meanwhile count as well.
   */
  holdsAnswer: (text: string) => boolean
  /** Delivers what {@link pause} or {@link holdAnswers} held, and forwards again. */
  resume: () => void
  /** Resets all connections and refuses new ones, until {@link restore}: a server that is down. */
  cut: () => void
  /** Holds every answer for so many milliseconds. */
  delay: (ms: number) => void
  /** Lets requests reach the server and throws its answers away. */
  dropResponses: () => void
  /** Puts another text of the same length in a text's place, in whatever the server answers. */
  rewrite: (text: string, other: string) => void
  /** Ends every fault, and then listens on the same port as before. */
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
    // A reset is what this proxy is for; the 'close' that follows does the work.
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
    return (server.address() as AddressInfo).port
  }
  // To accept and then reset would not do: drivers take that for an overloaded server, not for one that is down.
  const cut = () => {
    server.close()
    for (const socket of sockets) socket.resetAndDestroy()
  }

  const resume = () => {
    requestGate.open()
    answerGate.open()
  }

  const port = await listen(0)
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
      // Not by a reset: that waits for what is still to be written, and nobody may be reading.
      for (const socket of sockets) socket.destroy()
      await Promise.all(closed)
    },
  }
}

/** Passes chunks on in their order, each when `deliver` gives it; undefined drops it. The end waits its turn too. */
function forward(from: Socket, to: Socket, deliver: (chunk: Buffer) => Promise<Buffer | undefined>): void {
  let last: Promise<unknown> = Promise.resolve()
  from.on('data', (chunk: Buffer) => {
    // Begun now and not in its turn: a delay counts from a chunk's arrival.
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
