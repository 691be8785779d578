import type { Case } from '../case.js'
import { tokenOf } from '../service.js'
import type { Service } from '../service.js'

const DAY_MS = 86_400_000

/** Every session ends at a fixed time (ASVS 10.4.8). */
export const absoluteExpiry: Case = {
  name: 'absolute-expiry',
  rule: 'a session ends at the time that its login set, even if its token is exchanged often',
  async run(world, isQuick) {
    const rotations = isQuick ? 200 : 10_000
    const [service] = (await world.start(1)) as [Service]
    let token = await service.logIn('alice')
    const before = await world.sessions.findOne({})
    for (let n = 0; n < rotations; n++) token = tokenOf(await service.refresh(token))
    const after = await world.sessions.findOne({})
    const movedByMs = (after?.expiresAt.getTime() ?? NaN) - (before?.expiresAt.getTime() ?? NaN)
    // A second before the end of the 60 days, and a second after it.
    await service.advance(60 * DAY_MS - (Date.now() - (before?.createdAt.getTime() ?? NaN)) - 1_000)
    const nearTheEnd = await service.refresh(token)
    await service.advance(2_000)
    const afterTheEnd = await service.refresh(tokenOf(nearTheEnd))
    const figures = {
      rotations: after?.generation ?? NaN,
      documents: await world.sessions.countDocuments(),
      movedByMs,
      nearTheEnd: nearTheEnd.status,
      afterTheEnd: afterTheEnd.status,
    }
    const expected = { rotations, documents: 1, movedByMs: 0, nearTheEnd: 200, afterTheEnd: 400 }
    return { figures, expected }
  },
}
