import { isId, newId } from '../ids.js'

/** The device of a login, as the client describes it. */
export interface Device {
  /** 24 hex digits: the client takes no other text. */
  readonly id: string
  /** A label for the user's list of sessions. */
  readonly label: string | undefined
}

/** Reads `options.device` of the body of a login. A device without an id gets a new one. */
export function deviceOf(body: Readonly<Record<string, unknown>>): Device {
  const { device } = Object(body['options']) as { readonly device?: unknown }
  const { deviceId, platform, platformVersion } = Object(device) as Readonly<Record<string, unknown>>
  const { $oid } = Object(deviceId) as { readonly $oid?: unknown }
  const isKnown = typeof $oid === 'string' && isId($oid) && !/^0+$/.test($oid)
  const words = [platform, platformVersion].filter(word => typeof word === 'string' && word !== '')
  return {
    id: isKnown ? $oid : newId(),
    label: words.length === 0 ? undefined : words.join(' '),
  }
}
