import { createSecretKey, generateKeyPairSync } from 'node:crypto'
import type { Jwk, KeyOptions } from 'express-custom-user-data'

const exported = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })
export const keys: KeyOptions[] = [
  { kid: 'jwk', alg: 'ES256', key: exported },
  { kid: 'spread', alg: 'ES256', key: { ...exported, key_ops: ['sign'], note: 'a member of your own' } },
  { kid: 'secret', alg: 'HS256', key: createSecretKey('a secret of a consumer, 32 bytes or more', 'utf8') },
]
export const published: Jwk = { kty: 'EC', crv: 'P-256', x: 'x', y: 'y' }
