import type { Db } from 'mongodb'
import { BSON } from 'mongodb'
import { Credentials } from 'realm-web'
import type { App, User } from 'realm-web'

/**
 * Logs in a user with an email identity. The identity is stored directly, so that tests of other matters need no email
 * account.
 */
export async function logInMember(
  client: App,
  db: Db,
  email = `${crypto.randomUUID()}@example.com`,
): Promise<User> {
  const user = await client.logIn(Credentials.anonymous(false))
  await db.collection('custom_user_data_app_services_users').updateOne(
    { _id: new BSON.ObjectId(user.id) },
    {
      $push: { identities: { id: email, provider_type: 'local-userpass', data: { email } } as never },
      $unset: { expiresAt: 1 },
    },
  )
  return user
}

/** Sends a request with a token, as no client of realm-web would. */
export async function send(
  method: string,
  url: string,
  { token, body }: { readonly token?: string | null; readonly body?: unknown } = {},
): Promise<{ readonly status: number; readonly body: unknown }> {
  const answer = await fetch(url, {
    method,
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token ?? 'null'}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  return { status: answer.status, body: text === '' ? undefined : JSON.parse(text) }
}
