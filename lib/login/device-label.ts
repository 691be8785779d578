/** Checked in this order, because the header of a browser also names the browsers that it descends from. */
const BROWSERS: readonly (readonly [RegExp, string])[] = [
  [/\bEdg(?:e|A|iOS)?\//, 'Edge'],
  [/\bOPR\//, 'Opera'],
  [/\bSamsungBrowser\//, 'Samsung Internet'],
  [/\b(?:Firefox|FxiOS)\//, 'Firefox'],
  [/\b(?:Chrome|CriOS)\//, 'Chrome'],
  // Anchored, because without an anchor the time would grow with the square of the header's length.
  [/^(?=.*\bVersion\/\d).*\bSafari\//, 'Safari'],
]

const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/\biPhone\b/, 'iPhone'],
  [/\biPad\b/, 'iPad'],
  [/\bAndroid\b/, 'Android'],
  [/\bWindows\b/, 'Windows'],
  [/\bMac OS X\b/, 'macOS'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bLinux\b/, 'Linux'],
]

const MAX_LENGTH = 64

/** A label such as `Firefox on Linux`, for the user's list of sessions. For other clients it is the name in the header. */
export function toDeviceLabel(userAgent: string | undefined): string | null {
  if (userAgent === undefined || userAgent === '') return null
  const browser = nameOf(userAgent, BROWSERS)
  const system = nameOf(userAgent, SYSTEMS)
  if (browser !== undefined && system !== undefined) return `${browser} on ${system}`
  const [product = ''] = userAgent.split(/[\s/]/, 1)
  return (browser ?? system ?? product).slice(0, MAX_LENGTH) || null
}

function nameOf(userAgent: string, names: readonly (readonly [RegExp, string])[]): string | undefined {
  return names.find(([pattern]) => pattern.test(userAgent))?.[1]
}
