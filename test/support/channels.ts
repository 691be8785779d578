import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { onTestFinished } from 'vitest'
import type { ChannelMessages } from 'express-custom-user-data'

/** A message, and the name of its channel. */
export interface Heard {
  readonly name: string
  readonly message: Readonly<Record<string, unknown>>
}

/** Subscribes to channels until the test ends. */
export function onMessages(
  names: readonly (keyof ChannelMessages)[],
  listener: (heard: Heard) => void,
): void {
  for (const name of names) {
    const onMessage = (message: unknown): void => {
      listener({ name, message: message as Heard['message'] })
    }
    subscribe(`express-custom-user-data:${name}`, onMessage)
    onTestFinished(() => void unsubscribe(`express-custom-user-data:${name}`, onMessage))
  }
}

/** Records the messages of channels until the test ends. */
export function recordMessages(...names: (keyof ChannelMessages)[]): Heard[] {
  const recorded: Heard[] = []
  onMessages(names, heard => recorded.push(heard))
  return recorded
}
