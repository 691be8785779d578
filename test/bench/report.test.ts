import { describe, expect, it } from 'vitest'
import { CANDIDATES, COMPARED } from './candidates.js'
import { single, toMedians } from './figures.js'
import { toGoals } from './goals.js'
import { toHttpSection } from './http.js'
import type { Measured } from './http.js'
import { toSvg } from './plot.js'
import { toMarkdown } from './report.js'
import { spreadOf } from './statistics.js'

const measured = (key: string, ...ratios: number[]): Measured => {
  const candidate = CANDIDATES.find(known => known.key === key)!
  const ofBase = spreadOf(ratios)
  const requestsPerSecond = spreadOf([9_000])
  return {
    candidate,
    name: candidate.name,
    ofBase,
    requestsPerSecond,
    extraMicros: spreadOf([7]),
    readsPerThousand: 0,
    busy: 0.98,
  }
}
const HTTP = [measured('bare', 1.25), measured('hs256', 0.9, 0.95, 1), measured('passportJwt', 0.1)]

describe('the medians', () => {
  const medians = toMedians([toHttpSection(HTTP), { title: '', figures: [single('a', '', 'µs', 1.234567)] }])

  it('are by key, with four digits', () => expect(medians['a']).toBe(1.235))
  it('have the ratio to the base as it was measured', () => expect(medians['http.hs256.ofBase']).toBe(0.95))
  it('have the ratio to bare by way of the base', () => {
    expect(medians['http.bare.ofBare']).toBe(1)
    expect(medians['http.hs256.ofBare']).toBe(0.76)
  })
  it('have no ratio to bare if bare was not measured', () => {
    expect(toMedians([toHttpSection(HTTP.slice(1))])).not.toHaveProperty(['http.hs256.ofBare'])
  })
})

describe('the goals', () => {
  const reached = (medians: Record<string, number>) => toGoals(medians).map(({ isReached }) => isReached)

  it('count as reached exactly at their limit', () => {
    expect(reached({ 'inProcess.hit': 1.5 })).toEqual([true])
    expect(reached({ 'inProcess.hit': 1.51 })).toEqual([false])
    expect(reached({ 'http.hs256.ofBase': 0.92 })).toEqual([true])
    expect(reached({ 'http.hs256.ofBase': 0.91 })).toEqual([false])
  })
  it('that compare with other packages are ratios of speed', () => {
    const [, times] = toGoals({ 'http.hs256.ofBase': 0.9, 'http.passportJwt.ofBase': 0.1 })
    expect(times).toMatchObject({ wanted: 'at least 7', isReached: true })
    expect(times?.value).toBeCloseTo(9)
  })
  it('leave out values that were not measured', () => expect(toGoals({})).toEqual([]))
})

it('the table has the median with its range, and no range for a single value', () => {
  const sections = [{ title: 'In process', figures: [single('x', 'a call', 'µs', 1.5)] }]
  const text = toMarkdown({ machine: { node: 'v20' }, http: HTTP, sections, goals: [] })
  expect(text).toContain('| ours HS256 | 0.95 (0.90 to 1.00) | 0.76 (0.72 to 0.80) | 9000 | 7 | 0.98 |')
  expect(text).toContain('| a call | 1.50 | µs |')
  expect(text).toContain('| node | v20 |')
})

it('the tables say if the machine was busy', () => {
  const textOn = (load: string) =>
    toMarkdown({ machine: { 'load before': load }, http: [], sections: [], goals: [] })
  expect(textOn('1.00')).not.toContain('busy')
  expect(textOn('1.01')).toContain('busy')
})

describe('the picture', () => {
  const bar = (label: string, micros: number, others = {}) => ({
    label,
    extraMicros: { median: micros, min: micros / 2, max: micros * 2 },
    readsPerThousand: 2,
    isOurs: false,
    ...others,
  })
  const svg = toSvg([bar('<long>', 1_000), bar('short', 10), bar('ours', -3)], { node: 'v20.20.2' })
  const widths = [...svg.matchAll(/<rect x="\d+" y="\d+" width="([\d.]+)"/g)].map(([, width]) =>
    Number(width),
  )

  it('has the shortest bar first, and lengths in proportion to the logarithm', () => {
    expect(widths).toHaveLength(3)
    expect(widths[2]! / widths[1]!).toBeCloseTo(3, 2)
    expect(svg.indexOf('ours')).toBeLessThan(svg.indexOf('short'))
  })
  it('has a bar at the left edge for a time that is lost in the noise, and says so', () => {
    expect(widths[0]).toBe(2)
    expect(svg).toContain('>lost in the noise of -2 to -6</text>')
  })
  it('has whiskers, reads and the versions', () => {
    expect(svg.match(/class="whisker"/g)).toHaveLength(3)
    expect(svg.match(/>2<\/text>/g)).toHaveLength(3)
    expect(svg).toContain('node v20.20.2')
  })
  it('escapes text', () => {
    expect(svg).toContain('&lt;long&gt;')
    expect(svg).not.toContain('<long>')
  })
})

it('the picture shows seven ways, each by a name of its own', () => {
  const labels = COMPARED.flatMap(({ label }) => label ?? [])
  expect(new Set(labels).size).toBe(7)
})
