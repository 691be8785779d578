import { expect, it } from 'vitest'
import { toDeviceLabel } from '../../lib/login/device-label.js'

const WEBKIT = 'AppleWebKit/537.36 (KHTML, like Gecko)'

it.each([
  ['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 'Firefox on Linux'],
  [`Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${WEBKIT} Chrome/140.0.0.0 Safari/537.36`, 'Chrome on Windows'],
  [
    `Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${WEBKIT} Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0`,
    'Edge on Windows',
  ],
  [
    `Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) ${WEBKIT} Chrome/140.0.0.0 Safari/537.36 OPR/120.0.0.0`,
    'Opera on macOS',
  ],
  [
    `Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) ${WEBKIT} Version/18.5 Safari/605.1.15`,
    'Safari on macOS',
  ],
  [
    `Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) ${WEBKIT} Version/18.5 Mobile/15E148 Safari/604.1`,
    'Safari on iPhone',
  ],
  [
    `Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) ${WEBKIT} CriOS/140.0.0.0 Mobile/15E148 Safari/604.1`,
    'Chrome on iPad',
  ],
  [
    `Mozilla/5.0 (Linux; Android 15; SM-S938B) ${WEBKIT} SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36`,
    'Samsung Internet on Android',
  ],
  ['Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0', 'Firefox on Android'],
  [`Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) ${WEBKIT} Chrome/140.0.0.0 Safari/537.36`, 'Chrome on ChromeOS'],
])('a browser is named with its system: %s', (userAgent, label) => {
  expect(toDeviceLabel(userAgent)).toBe(label)
})

it.each([
  ['curl/8.5.0', 'curl'],
  ['okhttp/4.12.0', 'okhttp'],
  ['MyApp/2.1 (build 7)', 'MyApp'],
  ['node', 'node'],
  ['Wget/1.21.4 (Linux)', 'Linux'],
])('a client that is not a browser has the name that it sends, or its system: %s', (userAgent, label) => {
  expect(toDeviceLabel(userAgent)).toBe(label)
})

it.each([undefined, '', ' ', '/'])('a client without a usable user agent has no label: %j', userAgent => {
  expect(toDeviceLabel(userAgent)).toBeNull()
})

it('a label has 64 characters at most', () => {
  expect(toDeviceLabel('a'.repeat(1000))).toBe('a'.repeat(64))
})

it.each(['Version/1', 'Version/1 Safari', 'Chrome', 'Mac OS X', ' ', '/', 'a'])(
  'a header of 16 kB takes no noticeable time: %j',
  run => {
    const userAgent = run.repeat(16_000 / run.length)
    const time = () => {
      const began = performance.now()
      toDeviceLabel(userAgent)
      return performance.now() - began
    }
    expect(Math.min(time(), time(), time(), time())).toBeLessThan(10)
  },
)
