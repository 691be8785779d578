import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { MongoClient } from 'mongodb'

/** A driver that was found. */
export interface AppDriver {
  readonly MongoClient: typeof MongoClient
  readonly version: string
  /** The owner of the driver in the words of the report, such as `of this app`. */
  readonly from: string
}

/**
 * Loads the driver that the app in a folder uses, because another driver may connect where the app's does not. First the
 * `mongodb` of the app, then the one of its mongoose, then the one beside this package. `undefined` if there is none.
 */
export function findAppDriver(folder: string): AppDriver | undefined {
  const inApp = createRequire(join(folder, 'package.json'))
  const places: readonly (readonly [from: string, resolve: () => string])[] = [
    ['of this app', () => inApp.resolve('mongodb')],
    ['of the mongoose of this app', () => createRequire(inApp.resolve('mongoose')).resolve('mongodb')],
    ['beside express-custom-user-data', () => createRequire(__filename).resolve('mongodb')],
  ]
  for (const [from, resolve] of places) {
    const driver = tryToLoad(resolve)
    if (driver) return { ...driver, from }
  }
  return undefined
}

function tryToLoad(resolve: () => string): Omit<AppDriver, 'from'> | undefined {
  try {
    const path = resolve()
    const { MongoClient } = createRequire(path)(path) as Pick<AppDriver, 'MongoClient'>
    return { MongoClient, version: versionAt(path) }
  } catch {
    return undefined
  }
}

/** The version of the package that has a file. */
function versionAt(path: string): string {
  let folder = dirname(path)
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder)
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }
  return version
}
