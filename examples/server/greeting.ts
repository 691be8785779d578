const FALLBACK = 'Hello!'

const GREETINGS = new Map([
  ['de', 'Guten Tag!'],
  ['en', FALLBACK],
  ['es', '¡Hola!'],
  ['fr', 'Bonjour !'],
])

/** A greeting in a language. It is in English if the language is missing or unknown. */
export function greetingIn(language: string | undefined): string {
  return GREETINGS.get(language ?? 'en') ?? FALLBACK
}
