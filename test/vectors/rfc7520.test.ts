import type { JsonWebKey } from 'node:crypto'
import { expect, it } from 'vitest'
import type { Algorithm } from 'express-custom-user-data'
import { parseCompactJws } from '../../lib/access-tokens/compact-jws.js'
import { createKeyRing } from '../../lib/access-tokens/key-ring.js'
import { prepareKey } from '../../lib/access-tokens/keys.js'
import { verifySignature } from '../../lib/access-tokens/verify-signature.js'
import { describeVectors, listVectors, readJsonVector } from '../support/vectors.js'

interface Jwk extends JsonWebKey {
  readonly kid: string
}

interface Example {
  readonly input: { readonly payload: string; readonly alg: Algorithm; readonly key: Jwk }
  readonly output: { readonly compact?: string; readonly json: object; readonly json_flat?: object }
}

describeVectors('RFC 7520: the examples of JOSE', () => {
  const files = listVectors('rfc7520/jws')
  const detached = '4_5.signature_with_detached_content.json'
  const compact = files.filter(
    file => readExample(`jws/${file}`).output.compact !== undefined && file !== detached,
  )

  it('has four complete examples in compact form', () => {
    expect(files).toHaveLength(8)
    expect(compact).toHaveLength(4)
  })

  it.each(compact)('verifies %s, and not with another payload', async file => {
    const { input, output } = readExample(`jws/${file}`)
    const token = output.compact!
    const ring = createKeyRing({ keys: [{ kid: input.key.kid, alg: input.alg, key: input.key }] })
    const { header, payload } = parseCompactJws(token)
    const [key] = await ring.load(header)
    expect(payload.toString('utf8')).toBe(input.payload)
    await verifySignature(token, key)
    const [head, , signature] = token.split('.')
    const other = `${head}.${Buffer.from('Frodo').toString('base64url')}.${signature}`
    await expect(verifySignature(other, key)).rejects.toMatchObject({ code: 'invalid_token' })
  })

  it('refuses the example whose content is detached', async () => {
    const { input, output } = readExample(`jws/${detached}`)
    const key = prepareKey({ kid: input.key.kid, alg: input.alg, key: input.key }, 'key')
    await expect(verifySignature(output.compact!, key)).rejects.toMatchObject({ code: 'invalid_token' })
  })

  it.each(files)('refuses the JSON serializations of %s, including unprotected headers', file => {
    const { json, json_flat: flat = json } = readExample(`jws/${file}`).output
    for (const form of [json, flat]) {
      expect(() => parseCompactJws(JSON.stringify(form))).toThrow('The access token is malformed.')
    }
  })

  it('refuses the Ed25519 key, and names the supported algorithms and the way round', () => {
    const { input } = readExample('curve25519/jws.json')
    const create = () => createKeyRing({ keys: [{ kid: 'ed', alg: input.alg, key: input.key }] })
    expect(create).toThrow(/"EdDSA" is not supported: write one of HS256, .*RS256, .*ES256.* attach\(\)/)
    const createAsEs256 = () => createKeyRing({ keys: [{ kid: 'ed', alg: 'ES256', key: input.key }] })
    expect(createAsEs256).toThrow(/^keys\[0\], of type ed25519, is not supported: write one of HS256/)
  })

  it('refuses a token signed with Ed25519', () => {
    const { output } = readExample('curve25519/jws.json')
    const ring = createKeyRing({ secret: 'a secret of the tests, 32 bytes or more' })
    const { header } = parseCompactJws(output.compact!)
    expect(() => ring.find(header)).toThrow('The access token is not signed by a key of this server.')
  })
})

function readExample(path: string): Example {
  return readJsonVector(`rfc7520/${path}`) as Example
}
