import express, { Router } from 'express'
import type { ErrorRequestHandler, RequestHandler } from 'express'
import type { Collection, Db, ObjectId } from 'mongodb'
import { z } from 'zod'
import type { Profile } from '../profile.js'
import { EMAILS } from '../seed.js'
import type { UserAccount } from '../seed.js'
import { refuse } from './only-local.js'

const LANGUAGE = 'write a language tag, such as "en"'
const TIMEZONE = 'write a name, such as "Europe/London"'

type StoredProfile = Profile & { _id: ObjectId }

/** The fields of a document that the page may change. A timezone that is missing is removed. */
const change = z.strictObject(
  {
    language: z.string(LANGUAGE).regex(/^[A-Za-z]{2,3}(?:-[A-Za-z\d]{2,8}){0,4}$/, LANGUAGE),
    timezone: z
      .string(TIMEZONE)
      .regex(/^[\w+-]{1,32}(?:\/[\w+-]{1,32}){0,2}$/, TIMEZONE)
      .optional(),
    role: z.enum(['member', 'admin'], 'write "member" or "admin"'),
  },
  'send JSON with language, timezone and role, and no other fields',
)

/**
 * Plays another program, which writes into the collection and knows nothing of this package. It needs no login, so it is
 * mounted only where onlyFromThisMachine and onlyFromThisPage stand in front, and it knows the example's users only.
 */
export function createDocumentRoutes(db: Db): Router {
  const profiles = db.collection<StoredProfile>('custom_user_data')
  const router = Router()
  router.param('name', findUser(db))
  router.get('/:name', async (_req, res) => {
    res.json({ document: await profiles.findOne({ userId: userIdIn(res.locals) }) })
  })
  router.put('/:name', express.json({ limit: '2kb' }), async (req, res) => {
    const parsed = change.safeParse(req.body)
    if (!parsed.success) {
      refuse(res, 400, explain(parsed.error))
      return
    }
    res.json({ document: await write(profiles, userIdIn(res.locals), parsed.data) })
  })
  router.use(answerBadBody)
  return router
}

/** Answers while the page may not edit. */
export const refuseEdits: RequestHandler = (_req, res) => {
  refuse(
    res,
    404,
    'This server shows and changes no documents: start it with DEMO_PAGE=on, or without MONGODB_URI.',
  )
}

function write(
  profiles: Collection<StoredProfile>,
  userId: string,
  { timezone, ...fields }: z.infer<typeof change>,
): Promise<StoredProfile | null> {
  const update = timezone
    ? { $set: { ...fields, timezone } }
    : { $set: fields, $unset: { timezone: true as const } }
  return profiles.findOneAndUpdate({ userId }, update, { upsert: true, returnDocument: 'after' })
}

/** Puts the user's id into `res.locals`. */
function findUser(db: Db) {
  const users = db.collection<UserAccount>('users')
  const find = async (name: string) => {
    const email = EMAILS.find(known => known === `${name}@example.com`)
    return email === undefined ? null : users.findOne({ email }, { projection: { _id: 1 } })
  }
  return (...[, res, next, name]: Parameters<Parameters<Router['param']>[1]>): void => {
    find(String(name)).then(user => {
      if (!user) {
        refuse(res, 404, 'There is no such user. The users are alice, bob and carol.')
        return
      }
      res.locals['userId'] = user._id.toHexString()
      next()
    }, next)
  }
}

function userIdIn(locals: Record<string, unknown>): string {
  return String(locals['userId'])
}

/** A message of zod does not repeat the values. */
function explain(error: z.ZodError): string {
  return error.issues.map(({ path, message }) => [...path, message].join(': ')).join('; ')
}

/** The body parser throws errors with a status. */
const answerBadBody: ErrorRequestHandler = (error: unknown, _req, res, next) => {
  const status = error instanceof Error && 'status' in error ? Number(error.status) : 500
  if (status >= 400 && status < 500) refuse(res, status, 'Write a JSON object of 2 kB at most.')
  else next(error)
}
