import { describe, expect, it } from 'vitest'
import { showBytes, showShare } from '../../lib/checks/surveys/in-words.js'
import { printReport } from '../../lib/cli/doctor/print.js'
import { Progress } from '../../lib/cli/doctor/progress.js'
import { Report } from '../../lib/cli/doctor/report.js'
import { createManualClock } from '../support/clock.js'

function reportWith(message: string): Report {
  const report = new Report()
  report.add('documents', { says: 'none', findings: [{ code: 'secret_weak', message }], facts: {} })
  report.add('a longer name', { says: 'well', lines: ['and more'], findings: [], facts: {} })
  return report
}

function print(report: Report, terminal: { isTTY?: boolean; columns?: number } = {}, env = {}): string {
  let text = ''
  printReport(report, 'title', { stdout: { write: part => (text += part), ...terminal }, env })
  return text
}

describe('the report for people', () => {
  it('is an aligned table, and then the findings', () => {
    expect(print(reportWith('It is weak. Run: node -p "1"'))).toBe(
      [
        'title',
        '',
        'problem      documents      none',
        'ok           a longer name  well',
        '                            and more',
        '',
        '1 problem, 0 warnings',
        '',
        'problem secret_weak',
        '  It is weak. Run:',
        '    node -p "1"',
        '  See node_modules/express-custom-user-data/docs/reference/doctor.md#secret_weak',
        '',
      ].join('\n'),
    )
  })

  it('has colours only at a terminal, and not with NO_COLOR', () => {
    const report = reportWith('weak')
    expect(print(report)).not.toContain('\x1b')
    expect(print(report, { isTTY: true, columns: 80 })).toContain('\x1b[31mproblem')
    expect(print(report, { isTTY: true, columns: 80 }, { NO_COLOR: '1' })).not.toContain('\x1b')
  })

  it('is as wide as the terminal, and leaves a command on one line', () => {
    const command = `db.getCollection("a").find(${' {} '.repeat(40)})`
    const lines = print(reportWith(`${'word '.repeat(60)}Run: ${command}`), {
      isTTY: true,
      columns: 60,
    }).split('\n')
    expect(lines).toContain(`    ${command}`)
    const others = lines.filter(line => !line.includes('db.getCollection') && !line.includes('See '))
    expect(Math.max(...others.map(line => line.replaceAll(/\x1b\[\d+m/g, '').length))).toBeLessThanOrEqual(60)
  })

  it('shows characters from the database that a terminal would obey as text', () => {
    expect(print(reportWith('a \x1b[2J \u202e b'), { isTTY: true }, { NO_COLOR: '1' })).toContain(
      String.raw`a \u{1b}[2J \u{202e} b`,
    )
  })
})

describe('the progress', () => {
  const clock = createManualClock()
  function createProgress(isTTY: boolean, isJson = false) {
    let text = ''
    const stderr = { write: (part: string) => (text += part), isTTY }
    const progress = new Progress({ stderr, clock }, isJson)
    return { progress, written: () => text }
  }

  it('is a line every ten seconds where there is no terminal', () => {
    const { progress, written } = createProgress(false)
    progress.begin('documents')
    for (let second = 1; second <= 25; second++) {
      clock.advance(1_000)
      progress.report('documents', second * 1_000, 50_000)
    }
    progress.clear()
    expect(written()).toBe(
      'documents: 10,000 of 50,000 read (20.0 %)\ndocuments: 20,000 of 50,000 read (40.0 %)\n',
    )
  })

  it('is a bar at a terminal, which is gone in the end', () => {
    const { progress, written } = createProgress(true)
    progress.begin('documents')
    expect(written()).toBe('\r\x1b[Kdocuments…')
    progress.report('documents', 1, 100)
    expect(written()).toBe('\r\x1b[Kdocuments…')
    clock.advance(100)
    progress.report('documents', 50, 100)
    expect(written()).toContain('\r\x1b[K[############............] documents: 50 of 100 read (50.0 %)')
    progress.clear()
    expect(written()).toMatch(/\r\x1b\[K$/)
  })

  it('is silent for --json, except at a terminal', () => {
    for (const [isTTY, isSilent] of [
      [false, true],
      [true, false],
    ] as const) {
      const { progress, written } = createProgress(isTTY, true)
      clock.advance(60_000)
      progress.report('documents', 1, 2)
      expect(written() === '').toBe(isSilent)
    }
  })

  it('claims no more than all if the estimate was too low', () => {
    const { progress, written } = createProgress(false)
    clock.advance(60_000)
    progress.report('documents', 12, 10)
    expect(written()).toBe('documents: 12 read\n')
  })
})

it.each([
  [1, '1 byte'],
  [1_023, '1,023 bytes'],
  [1_024, '1 kB'],
  [262_144, '256 kB'],
  [1_258_291, '1.2 MB'],
  [17_179_869_184, '16 GB'],
])('%i bytes are shown as %s', (bytes, text) => {
  expect(showBytes(bytes)).toBe(text)
})

it('a share is 100 % only if it is all, and 0 % only if it is nothing', () => {
  expect([showShare(0, 9), showShare(1, 1e6), showShare(999_999, 1e6), showShare(9, 9)]).toEqual([
    '0 %',
    '0.1 %',
    '99.9 %',
    '100 %',
  ])
})
