import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { ChannelMessages } from 'express-custom-user-data'

/** Subscribes to a channel of the package. Returns the function that ends the subscription. */
export function onMessage<Name extends keyof ChannelMessages>(
  name: Name,
  listener: (message: ChannelMessages[Name]) => void,
): () => void {
  const channel = `express-custom-user-data:${name}`
  const onAny = (message: unknown): void => {
    listener(message as ChannelMessages[Name])
  }
  subscribe(channel, onAny)
  return () => unsubscribe(channel, onAny)
}
