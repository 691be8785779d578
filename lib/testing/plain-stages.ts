import type { Document } from 'mongodb'
import { valueAt } from '../util/field-names.js'
import { needsRealMongoDb } from './real-mongodb.js'

/** How a stage reads one document. */
interface StageTools {
  readonly matches: (document: Document, filter: Document) => boolean
  readonly project: (document: Document, specification: Document) => Document
  readonly compute: (document: Document, expression: unknown) => Document
}

/**
 * Runs one stage of an aggregation.
 *
 * @throws `real_mongodb_needed` for a stage that is not known here
 */
export function runStage(stage: Document, documents: readonly Document[], tools: StageTools): Document[] {
  const [name = ''] = Object.keys(stage)
  const operand: unknown = stage[name]
  switch (name) {
    case '$match':
      return documents.filter(document => tools.matches(document, operand as Document))
    case '$sort':
      return sortByText(documents, operand as Document)
    case '$limit':
      return documents.slice(0, operand as number)
    case '$project':
      return documents.map(document => tools.project(document, operand as Document))
    case '$set':
      return documents.map(document => ({ ...document, ...tools.compute(document, operand) }))
    case '$replaceWith':
      return documents.map(document => tools.compute(document, operand))
    case '$facet':
      // The dry run of a new document takes the one row that this stage gives, whatever is in it.
      return [{}]
    default:
      throw needsRealMongoDb(`an aggregation with ${name}`)
  }
}

/** Only user ids are sorted, which are texts here, and only upwards. */
function sortByText(documents: readonly Document[], order: Document): Document[] {
  const [[path, direction] = ['', 0], ...others] = Object.entries(order)
  if (direction !== 1 || others.length > 0) throw needsRealMongoDb('another order than one field upwards')
  const textOf = (document: Document) => String(valueAt(document, path))
  return [...documents].sort((one, other) =>
    Buffer.compare(Buffer.from(textOf(one)), Buffer.from(textOf(other))),
  )
}
