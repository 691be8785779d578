/**
 * Preloaded into programs of pages: they listen on a free port of this machine, whatever port they name, and print their
 * address.
 */
import { Server } from 'node:net'

const { listen } = Server.prototype

Server.prototype.listen = function (...args) {
  // Pipes and sockets of files stay as they are.
  if (typeof args[0] === 'string' && !/^\d+$/.test(args[0])) return listen.apply(this, args)
  this.once('listening', () => console.log(`Listening on http://127.0.0.1:${this.address().port}`))
  const callbacks = args.filter(arg => typeof arg === 'function')
  return listen.call(this, 0, '127.0.0.1', ...callbacks)
}
