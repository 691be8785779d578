import { at, createTally, forEachOf } from '../case.js'
import type { Case, World } from '../case.js'
import { tokenOf } from '../service.js'
import type { Service } from '../service.js'

/** A text with the length of a seal, which a thief of the database would have to guess. */
const NO_SEAL = 'A'.repeat(22)

/** The database contains nothing with which its reader can act as a user. */
export const databaseDump: Case = {
  name: 'database-dump',
  rule: 'no text in a dump of the database, and no text composed of such texts, is accepted by a refresh or by the guard',
  async run(world, isQuick) {
    const users = isQuick ? 5 : 100
    const [service] = (await world.start(1)) as [Service]
    await forEachOf(users, 8, async n => {
      const token = await service.logIn(`user${n}`)
      await service.refresh(tokenOf(await service.refresh(token)))
    })
    const candidates = await candidatesOf(world)
    const tally = createTally('passedRefresh', 'passedGuard')
    await forEachOf(candidates.length, 16, async n => {
      const candidate = at(candidates, n)
      if ((await service.refresh(candidate)).status !== 400) tally.passedRefresh++
      if ((await service.get('/me', candidate)).status === 200) tally.passedGuard++
    })
    const alive = await world.sessions.countDocuments({ revokedAt: null })
    const figures = { sessions: users, candidates: candidates.length, ...tally, alive }
    return { figures, expected: { passedRefresh: 0, passedGuard: 0, alive: users } }
  },
}

async function candidatesOf({ db }: World): Promise<string[]> {
  const found = new Set<string>()
  for (const { name } of await db.listCollections().toArray()) {
    for await (const document of db.collection(name).find()) {
      const texts = textsOf(document)
      for (const text of texts) found.add(text)
      for (const token of composedOf(document, texts)) found.add(token)
    }
  }
  return [...found].filter(text => text !== '')
}

/** Finds texts with the form of a refresh token. */
function composedOf(document: object, texts: readonly string[]): string[] {
  const { _id, generation } = document as { _id?: unknown; generation?: unknown }
  return texts.flatMap(text =>
    [NO_SEAL, text.slice(0, 22)].map(
      seal => `${String(_id)}.${String(generation)}.${text.padEnd(43, 'A')}.${seal}`,
    ),
  )
}

/** Finds every text in a value, at any depth. */
function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsOf) : []
}
