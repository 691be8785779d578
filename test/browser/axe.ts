import axe from 'axe-core'
import type { Page } from 'playwright-core'

/** WCAG 2.2 at the levels A and AA with all earlier versions, and what axe recommends beyond it. */
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']

/** What axe finds, one line a rule and element. */
export async function violationsOf(page: Page): Promise<string[]> {
  // The page's own policy forbids scripts of others. The debugger of the browser may run them.
  await page.evaluate(axe.source)
  const { violations } = await page.evaluate(
    tags => (window as unknown as { axe: typeof axe }).axe.run({ runOnly: [...tags] }),
    TAGS,
  )
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html}\n${failureSummary ?? ''}`),
  )
}
