import { describe, expect, it } from 'vitest'
import { foldAccountName, isAccountName } from '../../lib/login/account-name.js'

describe('the normalized account name', () => {
  it.each<[string, ...string[]]>([
    [
      'alice@example.com',
      ' Alice@Example.COM\t',
      '\u3000alice@example.com\u00a0',
      '\ufeffalice@example.com\u200b',
    ],
    ['stra\u00dfe', 'STRASSE', 'stra\u1e9ee', 'strasse'],
    ['\u03bf\u03b4\u03c5\u03c3\u03c3\u03b5\u03c5\u03c2', '\u039f\u0394\u03a5\u03a3\u03a3\u0395\u03a5\u03a3'],
    ['i\u0307', '\u0130', ' \u0130 '],
    ['jos\u00e9', 'JOSE\u0301', 'Jos\uff25\u0301'],
    ['\ufb01n', 'FIN', '\ufb01N'],
    ['\u1fb3', '\u03b1\u0345', '\u0391\u0399'],
    ['alice', 'ali\u200bce', 'al\u00adice', '\u2060alice', 'a\u0001lice', 'ali\u034fce', 'al\u0000ice'],
    ['alice', 'alic\u00e9', 'a\u0300lice'],
  ])('is the same for all spellings of %j', (name, ...spellings) => {
    for (const spelling of spellings) expect(foldAccountName(spelling)).toBe(foldAccountName(name))
  })

  it('keeps different names apart', () => {
    const names = ['alice', 'bob', 'al ice', 'alice@example.com', 'alice@example.org', '5', 'true']
    expect(new Set(names.map(foldAccountName)).size).toBe(names.length)
  })

  it('is the same for each character if it is folded twice or if its case is changed first', () => {
    const wrong: string[] = []
    for (let code = 0; code < 0x11_0000; code++) {
      const character = String.fromCodePoint(code)
      const others = [character.toUpperCase(), character.toLowerCase(), character.normalize('NFKD')]
      if (others.every(other => other === character)) continue
      const text = `a${character}b`
      const folded = foldAccountName(text)
      const spellings = [
        folded,
        text.toUpperCase(),
        text.toLowerCase(),
        text.normalize('NFKC'),
        text.normalize('NFKD'),
      ]
      if (spellings.some(spelling => foldAccountName(spelling) !== folded)) wrong.push(code.toString(16))
    }
    expect(wrong).toEqual([])
  })

  it('is found in linear time for any text', () => {
    const hostile = [`a${' '.repeat(100_000)}b`, `a${'\u0301\u0323'.repeat(50_000)}`, '\ufdfa'.repeat(33_000)]
    const began = process.cpuUsage().user
    for (const name of hostile) expect(foldAccountName(name).length).toBeLessThan(100_000)
    expect(process.cpuUsage().user - began).toBeLessThan(500_000)
  })

  it('can be a number or a boolean, which counts as its text', () => {
    expect(foldAccountName(5)).toBe(foldAccountName(' 5'))
    expect([5, 5n, true, 'a', ' a '].every(isAccountName)).toBe(true)
    expect(['', ' ', '\u200b', null, undefined, {}, ['a'], Symbol('a')].some(isAccountName)).toBe(false)
  })
})
