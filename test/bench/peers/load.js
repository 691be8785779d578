// The load generator: raw sockets and next to no parsing, since on two cores it must not be what is measured.
import { once } from 'node:events'
import { connect } from 'node:net'
import { answerParent } from './worker.js'

const CONTENT_LENGTH = /\r\ncontent-length: (\d+)/i
const targets = new Map()

/** A kept-alive connection that sends one request at a time and reads answers with a Content-Length. */
class Connection {
  #socket
  #request
  #received = ''
  #settle

  static async open(port, headers) {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    await once(socket, 'connect')
    return new Connection(socket, headers)
  }

  constructor(socket, headers) {
    const lines = Object.entries({ host: '127.0.0.1', ...headers }).map(
      ([name, value]) => `${name}: ${value}`,
    )
    this.#request = Buffer.from(['GET / HTTP/1.1', ...lines, '', ''].join('\r\n'), 'latin1')
    this.#socket = socket
    socket.setEncoding('latin1')
    socket.on('data', text => this.#read(text))
    socket.on('error', () => this.#end('error'))
    socket.on('close', () => this.#end('closed'))
  }

  /** Sends the request; `settle` gets the status line's code, or what went wrong. */
  send(settle) {
    this.#settle = settle
    this.#socket.write(this.#request)
  }

  close() {
    this.#settle = undefined
    this.#socket.destroy()
  }

  #read(text) {
    this.#received = this.#received === '' ? text : this.#received + text
    const headEnd = this.#received.indexOf('\r\n\r\n')
    if (headEnd < 0) return
    const length = Number(CONTENT_LENGTH.exec(this.#received)?.[1])
    if (this.#received.length < headEnd + 4 + length) return
    const status = this.#received.slice(9, 12)
    this.#received = ''
    this.#end(status)
  }

  #end(outcome) {
    const settle = this.#settle
    this.#settle = undefined
    settle?.(outcome)
  }
}

answerParent({
  /** Opens connections to a server, which take turns with the headers. */
  async open({ port, headers, connections }) {
    const opened = Array.from({ length: connections }, (_, index) =>
      Connection.open(port, headers[index % headers.length]),
    )
    targets.set(port, await Promise.all(opened))
  },
  /** All connections as fast as they can, for so long: the answers in the time, all requests, and what was not a 200. */
  slot({ port, ms }) {
    const connections = targets.get(port)
    const startedAt = performance.now()
    let answers = 0
    let requests = 0
    const failures = {}
    const run = connection =>
      new Promise(resolve => {
        const next = outcome => {
          const isOver = performance.now() - startedAt >= ms
          if (outcome !== '200') failures[outcome] = (failures[outcome] ?? 0) + 1
          else if (!isOver) answers++
          if (isOver || outcome === 'closed' || outcome === 'error') resolve()
          else send()
        }
        const send = () => {
          requests++
          connection.send(next)
        }
        send()
      })
    return Promise.all(connections.map(run)).then(() => ({ answers, requests, failures }))
  },
  /** One request on every connection at once; the latencies in milliseconds. */
  async herd({ port }) {
    const failures = {}
    const startedAt = performance.now()
    const send = connection =>
      new Promise(resolve => {
        connection.send(outcome => {
          if (outcome !== '200') failures[outcome] = (failures[outcome] ?? 0) + 1
          resolve(performance.now() - startedAt)
        })
      })
    return { latencies: await Promise.all(targets.get(port).map(send)), failures }
  },
  close({ port }) {
    for (const connection of targets.get(port) ?? []) connection.close()
    targets.delete(port)
  },
})
