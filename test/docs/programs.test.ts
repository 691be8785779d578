/** Runs the programs of the pages, as the top of code-blocks.test.ts says. */
import { afterAll, describe, expect, it } from 'vitest'
import { findBlocks, listPages, readPage } from './markdown.js'
import { toModules } from './modules.js'
import type { Block } from './markdown.js'
import type { BlockModule } from './modules.js'
import { commandsFor, differences, isServer, routesOf, runCommands, start } from './run.js'

const blocks = listPages().flatMap(page => findBlocks(page, readPage(page)))
const modules = toModules(blocks)
const servers = modules.filter(isServer)
const scripts = modules.filter(one => !isServer(one) && one.blocks.some(({ run }) => run))
const commands = blocks.filter(({ tag, run }) => tag === 'sh' && run)

const placeOf = ({ blocks: [first] }: BlockModule) => `${first!.page}:${first!.line}`

async function checkServer(server: BlockModule, all = blocks): Promise<void> {
  const url = await (await start(server)).listening()
  const shown = commandsFor(server, all)
  for (const { block, answer } of shown) {
    const output = await mustRun(block, url)
    if (answer !== undefined) expect(differences(answer, JSON.parse(output))).toEqual([])
  }
  if (shown.length > 0) return
  for (const { method, path } of routesOf(server)) {
    const { status } = await fetch(url + path, { method })
    expect(status, `${method} ${path}`).toBeLessThan(500)
  }
}

async function mustRun({ page, line, code }: Block, url?: string): Promise<string> {
  const { exitCode, output } = await runCommands(code, url)
  if (exitCode !== 0) throw new Error(`${page}:${line} ended with exit code ${exitCode}: ${output}`)
  return output
}

for (const server of servers) {
  it(`the server of ${placeOf(server)} starts and answers`, () => checkServer(server))
}

for (const script of scripts) {
  it(`the program of ${placeOf(script)} succeeds`, async () => {
    const program = await start(script)
    const { exitCode } = await program.ended()
    expect({ exitCode, output: program.output() }).toMatchObject({ exitCode: 0 })
  })
}

for (const command of commands) {
  it(`the commands of ${command.page}:${command.line} succeed`, () => mustRun(command))
}

afterAll(() => {
  console.log(
    `Ran ${servers.length} servers, ${scripts.length} programs and ${commands.length} commands of pages.`,
  )
})

describe('a run of a page', () => {
  const PAGE = `
\`\`\`ts
import express from 'express'
import { MongoClient } from 'mongodb'
import { createCustomUserData } from 'express-custom-user-data'

const client = new MongoClient('mongodb://127.0.0.1:1/app')
const userData = createCustomUserData({
  collection: client.db().collection('custom_user_data'),
  secret: process.env['ACCESS_TOKEN_SECRET'] ?? '',
  issuer: 'https://auth.example.com',
  audience: 'https://api.example.com',
})
const app = express()
app.post('/login', userData.login(({ email }) => (email === 'alice@example.com' ? { id: 'alice' } : null)))
app.use(userData.authenticate())
app.get('/me', (req, res) => res.json(userData.user(req).customData))
app.use(userData.errorHandler())
app.listen(3000)
\`\`\`

\`\`\`sh
curl localhost:3000/login --json '{"email":"EMAIL"}'
\`\`\`

\`\`\`json
{ "access_token": "…", "expires_in": 1800, "user": { "id": "…" } }
\`\`\`
`
  const serverOf = (page: string) => {
    const found = findBlocks('page.md', page)
    return { server: toModules(found)[0]!, found }
  }

  it('runs the commands of a page against its server, and compares the answer', async () => {
    const { server, found } = serverOf(PAGE.replace('EMAIL', 'alice@example.com'))
    expect(isServer(server)).toBe(true)
    await checkServer(server, found)
  })

  it('fails if a command of a page fails', async () => {
    const { server, found } = serverOf(PAGE.replace('EMAIL', 'eve@example.com'))
    await expect(checkServer(server, found)).rejects.toThrow(
      /page\.md:\d+ ended with exit code 22: .*invalid_credentials/,
    )
  })

  it('finds a member that an answer lacks, and a value of another type', () => {
    const shown = { id: '…', ages: [1], user: { id: '…' } }
    expect(differences(shown, { id: 1, ages: ['1'], user: { name: 'Alice' } })).toEqual([
      'the answer.id is number and not string',
      'the answer.ages[0] is string and not number',
      'the answer.user.id is undefined and not string',
    ])
  })

  it('requests the routes of a server without commands', () => {
    expect(routesOf(serverOf(PAGE).server)).toEqual([
      { method: 'POST', path: '/login' },
      { method: 'GET', path: '/me' },
    ])
  })
})
