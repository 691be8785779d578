/** The database in the path of a MongoDB URI. `undefined` without one, where the driver would use `test`. */
export function databaseNameIn(uri: string): string | undefined {
  const name = /^[a-z+]+:\/\/[^/?]*\/([^?]+)/.exec(uri)?.[1]
  return name === undefined ? undefined : decodeURIComponent(name)
}
