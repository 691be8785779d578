import { isNativeError } from 'node:util/types'
import type { Redact } from './redaction.js'
import { describeThrown, readMember } from './thrown.js'

/** A description of an error for logs, without the error's other members: they may hold a whole request or document. */
export interface ErrorDescription {
  /** The name of the error's class. */
  readonly name: string
  /** The message, followed by the messages of the causes. */
  readonly message: string
  /** The stack, followed by the stacks of the causes. */
  readonly stack: string
}

/** The most errors of a chain of causes that are described. */
const MOST_ERRORS = 5
/** The longest message, in characters. A message can quote a whole document. */
const MAX_MESSAGE = 2_000
/** The most lines of the stack of one error. */
const MOST_FRAMES = 20
const FRAME = /^\s+at /

/** The members of one error that are described. */
interface Parts {
  readonly name: string
  /** Empty for a value that is no error and has no message of its own. */
  readonly message: string
  readonly frames: readonly string[]
}

/** Describes a thrown value and its causes. Never throws, whatever the value is. */
export function describeError(thrown: unknown, redact: Redact): ErrorDescription {
  const chain = chainOf(thrown).map(toParts)
  const lines = chain.map(({ name, message }) => cut(redact([name, message].filter(Boolean).join(': '))))
  const [{ name, message } = { name: '', message: '' }] = chain
  const causes = lines.slice(1).map(line => `Caused by ${line}`)
  const stacks = chain.map(({ frames }, index) => [
    index === 0 ? lines[0] : causes[index - 1],
    ...(frames.length > 0 ? [redact(frames.join('\n'))] : []),
  ])
  return {
    name: cut(redact(name)),
    message: [cut(redact(message)), ...causes].join(' '),
    stack: stacks.flat().join('\n'),
  }
}

/** A thrown value and its causes. A cause may lead back to an error before it. */
function chainOf(thrown: unknown): unknown[] {
  const chain = [thrown]
  for (
    let cause = readMember(thrown, 'cause');
    cause !== undefined && cause !== null;
    cause = readMember(cause, 'cause')
  ) {
    if (chain.length === MOST_ERRORS || chain.includes(cause)) break
    chain.push(cause)
  }
  return chain
}

function toParts(thrown: unknown): Parts {
  const message = textOf(thrown, 'message')
  if (!isNativeError(thrown) && message === undefined) {
    return { name: describeThrown(thrown), message: '', frames: [] }
  }
  // An error about several addresses of one host has no message, but a code such as ECONNREFUSED.
  const shown = message === undefined || message === '' ? (textOf(thrown, 'code') ?? '') : message
  return { name: textOf(thrown, 'name') ?? 'Error', message: shown, frames: framesOf(thrown, message ?? '') }
}

/** The lines that name places in the code. A stack begins with the message, which is shown once. */
function framesOf(thrown: unknown, message: string): string[] {
  const stack = textOf(thrown, 'stack') ?? ''
  const start = message === '' ? -1 : stack.indexOf(message)
  const lines = (start < 0 ? stack : stack.slice(start + message.length)).split('\n')
  return lines.filter(line => FRAME.test(line)).slice(0, MOST_FRAMES)
}

function textOf(thrown: unknown, member: string): string | undefined {
  const value = readMember(thrown, member)
  return typeof value === 'string' ? value : undefined
}

function cut(text: string): string {
  return text.length > MAX_MESSAGE ? `${text.slice(0, MAX_MESSAGE)}…` : text
}
