/** Writes what the reader finds as Markdown. */
import ts from 'typescript'
import {
  APP_SERVICES_OPTIONS,
  EXPLAINED,
  FUNCTION_GROUPS,
  OPTION_GROUPS,
  OPTION_SECTIONS,
  PACKAGE_FUNCTIONS,
  REQUIRED,
  TESTING_FUNCTIONS,
  TESTING_TYPES,
} from './outline.js'
import { createReader } from './read.js'
import type { Doc, Member } from './read.js'

/** The type of the options of `createCustomUserData()`, as examples need it. */
const CREATION = 'CustomUserDataOptions<object>'

/** Above each page. The tests of code blocks read the name of the setup. */
const HEAD =
  '<!-- `npm run docs` writes this page from the doc comments in lib/. -->\n\n<!-- setup: reference, handler -->'

/** Types whose members are tables or headings of events.md. */
const EVENT_PARTS = ['CustomUserDataEvents', 'ChannelMessages', 'Stats']

/** Above a signature, which is no code that could run. */
const SIGNATURE = '<!-- signature -->'

export function renderPages(): Record<string, string> {
  const reader = createReader()
  const options = reader.membersOf('CustomUserDataOptions')
  const members = reader.membersOf('CustomUserData')
  const optionTypes = new Set(OPTION_SECTIONS.map(({ type }) => type))
  const shown = new Set([...optionTypes, ...PACKAGE_FUNCTIONS, ...Object.keys(EXPLAINED), ...EVENT_PARTS])
  const eventTypes = reader
    .membersOf('CustomUserDataEvents')
    .map(({ name }) => reader.membersOfEvent(name).type)
  const appServices = createReader('app-services/index.ts')
  const otherTypes = reader.names.filter(name => !shown.has(name) && !eventTypes.includes(name)).sort()

  function toLink(name: string): string {
    const target = targetOf(name)
    return target === undefined ? `\`${name}\`` : `[\`${name}\`](${target})`
  }

  function targetOf(name: string): string | undefined {
    if (EXPLAINED[name] !== undefined) return EXPLAINED[name]
    const section = OPTION_SECTIONS.find(({ type }) => type === name)
    if (section) return `options.md#${toAnchor(section.title)}`
    if (FUNCTION_GROUPS.some(({ names }) => names.includes(name))) return `functions.md#${toAnchor(name)}`
    if ((PACKAGE_FUNCTIONS as readonly string[]).includes(name)) return `functions.md#${toAnchor(name)}`
    if (name === 'CustomUserDataEvents') return 'events.md'
    if (name === 'ChannelMessages') return 'events.md#diagnostics-channels'
    if (name === 'Stats') return 'events.md#counters'
    if (eventTypes.includes(name)) return 'events.md'
    if (otherTypes.includes(name)) return `types.md#${toAnchor(name)}`
    const optionsOfService = APP_SERVICES_OPTIONS.find(({ type }) => type === name)
    if (optionsOfService) return `app-services.md#${toAnchor(optionsOfService.title)}`
    if (name === 'AppServices') return 'app-services.md#createappservices'
    return appServices.names.includes(name) ? `app-services.md#${toAnchor(name)}` : undefined
  }

  /** Links to the exported types that a type or a signature names, and that the text does not link. */
  function typeLinks(type: string, { text }: Doc): string {
    const names = [...new Set(type.match(/\b[A-Z]\w+/g))].filter(
      one => reader.names.includes(one) || appServices.names.includes(one),
    )
    const links = names.filter(name => !text.includes(`{@link ${name}}`)).map(toLink)
    return links.length === 0 ? '' : `See ${joinWords(links)}.`
  }

  function renderOption(member: Member, heading: string, owner: string): string[] {
    const { name, type, doc } = member
    const value = defaultOf(member, owner)
    return [
      `${heading} ${name}`,
      [`Type: ${toCode(oneLine(type))}.`, value && `Default: ${value}.`, typeLinks(type, doc)]
        .join(' ')
        .trim(),
      doc.text,
      ...renderThrows(doc),
      ...doc.examples.map(example => renderOptionExample(name, example, owner)),
    ].map((line, index) => (index === 1 ? line.replace('Default: required', 'It is required') : line))
  }

  function renderOptions(): string {
    const grouped = OPTION_GROUPS.flatMap(({ names }) => names)
    requireSame(
      'the options',
      grouped,
      options.map(({ name }) => name),
    )
    const named = (name: string) => options.find(one => one.name === name)!
    const rows = OPTION_GROUPS.map(({ title, names }) => [
      `**${title}**`,
      `| option | default | meaning |\n| --- | --- | --- |\n${names.map(name => toRow(named(name))).join('\n')}`,
    ])
    return join([
      '# Options',
      HEAD,
      'Every option has a default that is right for most apps, except `collection` and the names and keys of your tokens. An unknown or wrong option throws an `OptionError` when the function is called. Its message says what to write instead.',
      '## createCustomUserData',
      'The options in short:',
      ...rows.flat(),
      ...OPTION_GROUPS.flatMap(({ title, names }) => [
        `### ${title}`,
        ...names.flatMap(name => renderOption(named(name), '####', CREATION)),
      ]),
      ...OPTION_SECTIONS.flatMap(({ title, type }) => [
        `## ${title}`,
        reader.declaredAs(type).doc.text,
        ...reader.membersOf(type).flatMap(member => renderOption(member, '###', genericOf(type))),
      ]),
    ])
  }

  function toRow(member: Member): string {
    const { name, doc } = member
    const value = defaultOf(member, CREATION)
    return `| [\`${name}\`](#${toAnchor(name)}) | ${inCell(value)} | ${inCell(firstSentence(doc.text))} |`
  }

  /** A type with its parameters, as examples need it. */
  function genericOf(type: string): string {
    const { source } = reader.declaredAs(type)
    const [, parameters] = /^(?:interface|type) \w+<([^>]*)>/.exec(source) ?? []
    if (parameters === undefined) return type
    const needed = parameters.split(',').filter(one => !one.includes('='))
    return needed.length === 0 ? type : `${type}<${needed.map(() => 'any').join(', ')}>`
  }

  function renderFunction({ name, type, doc }: Member, heading = '###'): string[] {
    return [
      `${heading} ${name}`,
      `${SIGNATURE}\n\n\`\`\`ts\n${type}\n\`\`\``,
      doc.text,
      ...doc.params.map(param => `\`${param.name}\`: ${param.text}`),
      ...(doc.returns === undefined ? [] : [`Returns ${doc.returns}.`]),
      ...renderThrows(doc),
      typeLinks(type, doc),
      ...doc.examples.map(example => renderExample(example)),
    ]
  }

  function renderFunctions(): string {
    requireSame(
      'the functions',
      FUNCTION_GROUPS.flatMap(({ names }) => names),
      [...new Set(members.map(({ name }) => name))],
    )
    return join([
      '# Functions',
      HEAD,
      '`createCustomUserData()` returns an instance. Its functions need no `this`, so you can take them apart: `const { authenticate } = userData`. Options of each function are in [options.md](options.md).',
      ...PACKAGE_FUNCTIONS.flatMap(name => renderFunction(reader.functionNamed(name), '##')),
      ...FUNCTION_GROUPS.flatMap(({ title, names }) => [
        `## ${title}`,
        ...names.flatMap(name =>
          members
            .filter(member => member.name === name)
            .flatMap((member, index) => renderFunction(member).slice(index === 0 ? 0 : 1)),
        ),
        ...(names.includes('forUser') ? renderUserDocument() : []),
      ]),
    ])
  }

  function renderUserDocument(): string[] {
    return reader.membersOf('UserDocument').flatMap((member, index, all) => {
      const isOverload = index > 0 && all[index - 1]?.name === member.name
      return renderFunction({ ...member, name: `forUser().${member.name}` }).slice(isOverload ? 1 : 0)
    })
  }

  function renderEvents(): string {
    const events = reader.membersOf('CustomUserDataEvents')
    const messages = reader.membersOf('ChannelMessages')
    // Messages of events are inherited, and the entries of the events explain them.
    const inherited = messages.filter(
      ({ name }) => name !== 'request_failed' && events.some(event => event.name === name),
    )
    return join([
      '# Events, warnings and counters',
      HEAD,
      reader.declaredAs('CustomUserDataEvents').doc.text,
      'A listener that throws fails no request. If nobody listens, Node prints `warning`, `request_failed` and `hook_failed`.',
      renderCode("userData.events.on('warning', ({ code, message }) => log.warn({ code, message }))"),
      '## Events',
      ...events.flatMap(({ name, doc }) => renderEvent(name, doc)),
      '## Warnings',
      'Each event `warning` has one of these codes. Its `message` names what was found, and what to write or to run. The option [`checks`](options.md#checks) turns checks of the set-up off; the guide [self-checks](../self-checks.md) lists them.',
      ...reader
        .entriesOf('warnings.ts', 'Warnings')
        .flatMap(({ code, doc }) => [`### ${code}`, ...renderCodeDoc(code, doc)]),
      '## Diagnostics channels',
      reader.declaredAs('ChannelMessages').doc.text,
      ...reader.declaredAs('ChannelMessages').doc.examples.map(example => renderExample(example)),
      toTable(
        ['channel', 'message', 'meaning'],
        messages.filter(message => !inherited.includes(message)).map(toMemberRow),
      ),
      `The channels with the messages of events: ${joinWords(inherited.map(({ name }) => `[\`${name}\`](#${toAnchor(name)})`))}.`,
      '## Counters',
      `\`userData.stats()\` returns them. ${reader.declaredAs('Stats').doc.text}`,
      toTable(['counter', 'type', 'meaning'], reader.membersOf('Stats').map(toMemberRow)),
    ])
  }

  function renderEvent(name: string, doc: Doc): string[] {
    const { type, members: fields } = reader.membersOfEvent(name)
    return [
      `### ${name}`,
      doc.text,
      reader.names.includes(type) ? restAfterFirstSentence(reader.declaredAs(type).doc.text) : '',
      toMemberTable(fields),
      ...doc.examples.map(example => renderExample(example)),
    ]
  }

  /** A table without the column of meanings if the name of each member says enough. */
  function toMemberTable(fields: readonly Member[]): string {
    if (fields.length === 0) return ''
    if (fields.some(({ doc }) => doc.text !== '')) {
      return toTable(['member', 'type', 'meaning'], fields.map(toMemberRow))
    }
    const rows = fields.map(({ name, type }) => `| \`${name}\` | ${inCell(toCode(oneLine(type)))} |`)
    return toTable(['member', 'type'], rows)
  }

  function toMemberRow({ name, type, isOptional, doc }: Member): string {
    return `| \`${name}${isOptional ? '?' : ''}\` | ${inCell(toCode(oneLine(type)))} | ${inCell(doc.text)} |`
  }

  function renderErrors(): string {
    const entries = reader.entriesOf('errors.ts', 'ERRORS').map(({ code, value, doc }) => {
      const [, status = '', title = ''] = /status: (\d+), title: '([^']*)'/.exec(value) ?? []
      return { code, doc, status, title }
    })
    const statuses = [...new Set(entries.map(({ status }) => status))].sort()
    return join([
      '# Errors',
      HEAD,
      reader.declaredAs('CustomUserDataError').doc.text,
      ...reader.declaredAs('CustomUserDataError').doc.examples.map(example => renderExample(example)),
      toTable(
        ['member', 'type', 'meaning'],
        reader
          .membersOf('CustomUserDataError')
          .filter(({ doc }) => doc.text !== '')
          .map(toMemberRow),
      ),
      'A code stays the same across versions, and a message may change. Errors of MongoDB that pass by themselves are 503, with `Retry-After`. Errors that stay until somebody changes something are 500.',
      `| status | codes |\n| --- | --- |\n${statuses
        .map(
          status =>
            `| ${status} | ${entries
              .filter(one => one.status === status)
              .map(({ code }) => `[\`${code}\`](#${toAnchor(code)})`)
              .join(', ')} |`,
        )
        .join('\n')}`,
      '## Errors at creation',
      '### invalid_option',
      `Class: \`OptionError\`. ${reader.declaredAs('OptionError').doc.text}`,
      '**What to do:** write what the message says. [options.md](options.md) lists all options. A function that acts on a user throws a `TypeError` for a value that cannot be a user id.',
      ...statuses.flatMap(status => [
        `## ${status}`,
        ...entries
          .filter(one => one.status === status)
          .flatMap(({ code, title, doc }) => [
            `### ${code}`,
            `Status ${status}: “${title}”.`,
            ...renderCodeDoc(code, doc),
          ]),
      ]),
    ])
  }

  function renderTypes(): string {
    return join([
      '# Types',
      HEAD,
      "Exported types that [options.md](options.md), [functions.md](functions.md) and [events.md](events.md) name. `import type { … } from 'express-custom-user-data'` gets them.",
      ...otherTypes.flatMap(name => {
        const { doc, source } = reader.declaredAs(name)
        return [
          `## ${name}`,
          doc.text,
          `${SIGNATURE}\n\n\`\`\`ts\n${source}\n\`\`\``,
          ...doc.examples.map(example => renderExample(example)),
        ]
      }),
    ])
  }

  function renderTesting(): string {
    const testing = createReader('testing/index.ts')
    requireSame('the exports of testing', [...TESTING_FUNCTIONS, ...TESTING_TYPES], testing.names)
    return join([
      '# Testing',
      HEAD.replace('reference', 'testing'),
      'Functions of `express-custom-user-data/testing`. The guide is [testing-your-app.md](../testing-your-app.md).',
      ...TESTING_FUNCTIONS.flatMap(name => renderFunction(testing.functionNamed(name), '##')),
      ...TESTING_TYPES.flatMap(name => [
        `## ${name}`,
        testing.declaredAs(name).doc.text,
        `${SIGNATURE}\n\n\`\`\`ts\n${testing.declaredAs(name).source}\n\`\`\``,
      ]),
    ])
  }

  function renderAppServices(): string {
    const service = ['createAppServices', 'AppServices', 'AppServicesError']
    const optionNames = APP_SERVICES_OPTIONS.map(({ type }) => type)
    const others = appServices.names.filter(name => ![...service, ...optionNames].includes(name)).sort()
    const errors = appServices.entriesOf('app-services/wire/errors.ts', 'STATUS')
    return join([
      '# App Services',
      HEAD,
      'What `express-custom-user-data/app-services` exports. The guide is [migrating-from-app-services.md](../migrating-from-app-services.md).',
      ...renderFunction(appServices.functionNamed('createAppServices'), '##'),
      ...appServices.membersOf('AppServices').flatMap(member => renderFunction(member)),
      ...APP_SERVICES_OPTIONS.flatMap(({ title, type }) => [
        `## ${title}`,
        appServices.declaredAs(type).doc.text,
        ...appServices.declaredAs(type).doc.examples.map(example => renderExample(example)),
        ...appServices.membersOf(type).flatMap(member => renderOption(member, '###', type)),
      ]),
      '## AppServicesError',
      appServices.declaredAs('AppServicesError').doc.text,
      ...appServices.declaredAs('AppServicesError').doc.examples.map(example => renderExample(example)),
      toTable(
        ['code', 'status'],
        errors.map(({ code, value }) => `| \`${code}\` | ${value} |`),
      ),
      ...others.flatMap(name => {
        const { doc, source } = appServices.declaredAs(name)
        return [
          `## ${name}`,
          doc.text,
          `${SIGNATURE}\n\n\`\`\`ts\n${source}\n\`\`\``,
          ...doc.examples.map(example => renderExample(example)),
        ]
      }),
    ])
  }

  function renderDoctor(): string {
    const file = 'checks/surveys/survey-codes.ts'
    const entries = createReader(file).entriesOf(file, 'SURVEY_CODES')
    return join([
      '# Findings of doctor',
      HEAD,
      'Findings of `npx express-custom-user-data doctor` that are no warnings of an instance. [Warnings](events.md#warnings) explains the others. The guide is [doctor.md](../doctor.md).',
      ...entries.flatMap(({ code, value, doc }) => [
        `## ${code}`,
        `A ${value.replaceAll("'", '')}.`,
        ...renderCodeDoc(code, doc),
      ]),
    ])
  }

  const pages = {
    'doctor.md': renderDoctor(),
    'testing.md': renderTesting(),
    'app-services.md': renderAppServices(),
    'options.md': renderOptions(),
    'functions.md': renderFunctions(),
    'events.md': renderEvents(),
    'errors.md': renderErrors(),
    'types.md': renderTypes(),
  }
  const withLinks = (text: string) => text.replace(/\{@link (\w+)\}/g, (_, name: string) => toLink(name))
  return Object.fromEntries(Object.entries(pages).map(([name, text]) => [name, withLinks(text)]))
}

/** The default of an option, or why it has none. */
function defaultOf({ name, isOptional, doc }: Member, owner: string): string {
  if (doc.defaultValue !== undefined) return showDefault(doc.defaultValue)
  return isOptional ? '' : ((owner === CREATION ? REQUIRED[name] : undefined) ?? 'required')
}

function renderCodeDoc(code: string, { text, remedy }: Doc): string[] {
  if (text === '' || remedy === undefined)
    throw new Error(`The comment of ${code} needs a text and a @remedy.`)
  return [text, `**What to do:** ${remedy}`]
}

function renderThrows({ throws }: Doc): string[] {
  return throws.map(text => `Throws ${text}`).map(text => (/[.:]$/.test(text) ? text : `${text}.`))
}

/** Shows the example of an option with its name, so that it can be copied. */
function renderOptionExample(name: string, example: string, owner: string): string {
  const isNamed = example.startsWith(`${name}: `)
  const part = isNamed ? example : `${name}: ${example}`
  const isWholeCall = /^(import|const|await|\w+(\.\w+)*\()/.test(example)
  if (!isNamed && (isWholeCall || !isExpression(example))) return renderExample(example)
  return `<!-- part of: ${owner} -->\n\n${renderCode(part)}`
}

function renderExample(example: string): string {
  const isCommand = /^(node|npm|npx|curl) /.test(example)
  const isTypeScript = /\w<\w+>\(|^interface |^declare |^import type |^const \w+: /m.test(example)
  return isCommand ? `\`\`\`sh\n${example}\n\`\`\`` : renderCode(example, isTypeScript ? 'ts' : 'js')
}

function renderCode(code: string, tag = 'js'): string {
  return `\`\`\`${tag}\n${code}\n\`\`\``
}

function isExpression(code: string): boolean {
  const { diagnostics = [] } = ts.transpileModule(`const a = (${code}\n)`, { reportDiagnostics: true })
  return diagnostics.length === 0
}

function toCode(text: string): string {
  return `\`${text}\``
}

/** A default is a value, a value with a remark, or a sentence. */
function showDefault(text: string): string {
  const [, value, remark] = /^('[^']*'|[\w.]+|\[\]|\{\})( \(.*\))?$/.exec(text) ?? []
  return value === undefined ? text : `${toCode(value)}${remark ?? ''}`
}

function oneLine(text: string): string {
  return text
    .replace(/\/\*\*[^]*?\*\//g, '')
    .replace(/\s+/g, ' ')
    .trim()
}

function firstSentence(text: string): string {
  const flat = text.replace(/\s+/g, ' ')
  return /^.*?[.:](?= [A-Z`]|$)/.exec(flat)?.[0].replace(/:$/, '.') ?? flat
}

/** The first sentence of a type says the same as the text of its event. */
function restAfterFirstSentence(text: string): string {
  return text.replace(/^[^]*?\.(\s+(?=[A-Z`])|$)/, '')
}

function inCell(text: string): string {
  return oneLine(text).replaceAll(/(?<!\\)\|/g, '\\|')
}

function toTable(columns: readonly string[], rows: readonly string[]): string {
  return [`| ${columns.join(' | ')} |`, `| ${columns.map(() => '---').join(' | ')} |`, ...rows].join('\n')
}

function toAnchor(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-')
}

function joinWords(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)!}`
}

function join(parts: readonly string[]): string {
  return `${parts.filter(part => part !== '').join('\n\n')}\n`
}

function requireSame(what: string, listed: readonly string[], found: readonly string[]): void {
  const missing = found.filter(name => !listed.includes(name))
  const unknown = listed.filter(name => !found.includes(name))
  if (missing.length === 0 && unknown.length === 0) return
  throw new Error(
    `tools/reference/outline.ts lists ${what}. Add: ${missing.join(', ') || '-'}. Remove: ${unknown.join(', ') || '-'}.`,
  )
}
