const FALLBACK = 'Hello!'

const GREETINGS = new Map([
  ['de', 'Guten Tag!'],
  ['en', FALLBACK],
  ['es', '¡Hola!'],
  ['fr', 'Bonjour !'],
])

/** A greeting in a language; in English where there is none, or none that is known here. */
export function greetingIn(language: string | undefined): string {
  return GREETINGS.get(language ?? 'en') ?? FALLBACK
}
