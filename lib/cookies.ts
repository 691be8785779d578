/**
 * The values of all cookies of a name, as a `Cookie` header gives them. Only spaces and tabs are stripped around names and
 * values (RFC 6265 5.2): `String.trim` would also strip a no-break space, and take another cookie's name for this one.
 */
export function readCookies(header: string | undefined, name: string): string[] {
  const pairs = (header ?? '').split(';').map(pair => {
    const end = pair.indexOf('=')
    return end < 0 ? ['', ''] : [strip(pair.slice(0, end)), strip(pair.slice(end + 1))]
  })
  return pairs.filter(([found]) => found === name).map(([, value = '']) => value)
}

function strip(text: string): string {
  return text.replace(/^[\t ]+|[\t ]+$/g, '')
}
