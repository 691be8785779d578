import type { MongoClient } from 'mongodb'

/** Host and port of the primary that `client` uses: what to put a TCP proxy in front of. */
export async function primaryAddress(client: MongoClient): Promise<{ host: string; port: number }> {
  const { primary, me } = await client.db('admin').command({ hello: 1 })
  const [, host = '127.0.0.1', port = '27017'] = /^(.*):(\d+)$/.exec(String(primary ?? me)) ?? []
  return { host, port: Number(port) }
}
