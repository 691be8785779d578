/** The database that a MongoDB URI names in its path; `undefined` where it names none and the driver would say `test`. */
export function databaseNameIn(uri: string): string | undefined {
  const name = /^[a-z+]+:\/\/[^/?]*\/([^?]+)/.exec(uri)?.[1]
  return name === undefined ? undefined : decodeURIComponent(name)
}
