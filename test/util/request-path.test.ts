import { expect, it } from 'vitest'
import { secretsInPath, toShownPath } from '../../lib/util/request-path.js'

it.each<[string, unknown, string, string[]]>([
  ['/login?next=/home', '/login', '/login', []],
  ['/', '/', '/', []],
  ['/api/v1/password-reset/', undefined, '/api/v1/password-reset', []],
  ['/a/12/b', undefined, '/a/[removed]/b', []],
  ['/invite/abc12345/login', '/login', '/invite/[removed]/login', ['abc12345']],
  ['/users/7/posts', '/:id/posts', '/users/:id/posts', ['7']],
  ['/auth/x.a-b', '/:user.:token', '/auth/:user.:token', ['x.a-b', 'x', 'a', 'b']],
  ['/files/abc12345/x', '/files/*', '/files/[removed]/x', ['abc12345']],
  ['/files/abc12345', /files/, '/files/[removed]', ['abc12345']],
  ['/x', '/longer/:than/path', '/x', []],
  ['/reset/%E0%A4%A-bad', '/reset/:t', '/reset/:t', ['%E0%A4%A-bad']],
])(
  'the path %s of the route %s is shown without what may be a token',
  (originalUrl, path, shown, secrets) => {
    const req = { originalUrl, route: { path } }
    expect(toShownPath(req)).toBe(shown)
    expect(new Set(secretsInPath(req))).toEqual(new Set(secrets))
  },
)

it('a request without a path, or with very many slashes, is described at once', () => {
  expect(toShownPath({})).toBe('/')
  expect(toShownPath({ originalUrl: `${'/'.repeat(1_000_000)}x` })).toBe('/x')
})
