import { expect } from 'vitest'
import { logIn } from './rows.js'
import type { Rows } from './rows.js'

export const functionRows: Rows = {
  async callFunction(start) {
    const functions = { echo: (_context: unknown, value: unknown) => value }
    const { user } = await logIn(start, { functions })
    const at = new Date(0)
    expect(await user.functions.callFunction('echo', { at })).toEqual({ at })
    await expect(user.functions.callFunction('other')).rejects.toMatchObject({
      statusCode: 404,
      errorCode: 'FunctionNotFound',
    })
  },
  async callFunctionStreaming(start) {
    const functions = {
      *count(_context: unknown, to: unknown) {
        for (let number = 1; number <= Number(to); number++) yield { number }
      },
    }
    const { user } = await logIn(start, { functions })
    let text = ''
    for await (const chunk of await user.functions.callFunctionStreaming('count', 2))
      text += new TextDecoder().decode(chunk)
    expect(text.match(/^data: .*$/gm)).toEqual([
      'data: {"number":{"$numberInt":"1"}}',
      'data: {"number":{"$numberInt":"2"}}',
    ])
  },
}
