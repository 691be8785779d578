import { once } from 'node:events'
import { connect } from 'node:net'
import type { TokenAnswer } from 'express-custom-user-data'
import type { Db } from 'mongodb'
import request from 'supertest'
import { expect } from 'vitest'
import { startExample } from '../support/run-example.js'
import type { Environment } from '../support/run-example.js'

/** The path of the server example in the folder examples. */
export const MAIN = 'server/main.ts'
/** The password of every user. */
export const PASSWORD = 'correct horse battery staple'
/** Matches the printed URI of the server's own mongod, and the port in it. */
export const STARTED_MONGOD = /^Started a MongoDB .*(mongodb:\/\/127\.0\.0\.1:(\d+)\S*)$/m

export function startServer(env?: Environment) {
  return startExample(MAIN, env)
}

export async function logIn(url: string, email: string): Promise<TokenAnswer> {
  const { status, body } = await post(url, 'login', { email, password: PASSWORD })
  expect(status).toBe(200)
  return body as TokenAnswer
}

export function post(url: string, route: string, body: object) {
  return request(url).post(`/auth/${route}`).send(body)
}

export function getMe(url: string, accessToken: string) {
  return request(url).get('/me').auth(accessToken, { type: 'bearer' })
}

export async function greetingFor(url: string, accessToken: string): Promise<unknown> {
  return (await request(url).get('/greeting').auth(accessToken, { type: 'bearer' })).body
}

export async function idOf(db: Db, email: string) {
  return (await db.collection('users').findOne({ email }))?._id.toHexString()
}

export async function emails(db: Db): Promise<unknown[]> {
  const users = await db.collection('users').find().sort({ email: 1 }).toArray()
  return users.map(({ email }) => email as unknown)
}

/** Whether something listens on a loopback port. */
export async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  const connected = await Promise.race([
    once(socket, 'connect').then(() => true),
    once(socket, 'error').then(() => false),
  ]).catch(() => false)
  socket.destroy()
  return connected
}
