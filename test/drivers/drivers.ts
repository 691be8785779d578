import { createRequire } from 'node:module'

/** The drivers with which the behaviour tests can run. `TEST_DRIVER` names one of them. */
export const DRIVERS = ['mongodb5', 'mongodb6', 'mongoose7', 'mongoose8', 'mongoose9'] as const

export type DriverName = (typeof DRIVERS)[number]

/** Tests that some drivers cannot pass, by parts of their names, and the reason. */
export interface Exclusion {
  readonly drivers: readonly DriverName[]
  readonly tests: readonly string[]
  readonly why: string
}

/** The drivers that do not know the option `signal`. mongoose 7 contains mongodb 5.9. */
const WITHOUT_SIGNAL = ['mongodb5', 'mongoose7'] as const

const EXCLUSIONS: readonly Exclusion[] = [
  {
    drivers: WITHOUT_SIGNAL,
    tests: ['keeps no place from the next load if a', 'that MongoDB does not finish in time is a 503, and'],
    why: 'before 6.13 an operation that passed its deadline goes on, and keeps its place in the load limit until it settles',
  },
  {
    drivers: WITHOUT_SIGNAL,
    tests: [
      'are not changed later by an operation that was answered as unavailable',
      'by a cut a login is answered with 503, and leaves no session that anybody can use',
    ],
    why: 'before 6.13 a write that passed its deadline cannot be stopped',
  },
  {
    drivers: WITHOUT_SIGNAL,
    tests: ['takes about as much memory as maxSnapshotBytes allows: ObjectIds'],
    why: 'an ObjectId of BSON 5 takes twice the memory; the estimate is made for BSON 6 and later',
  },
  {
    drivers: WITHOUT_SIGNAL,
    tests: [
      'because its connection is cut is resumed with the events',
      'lets a request through and drops its answer',
    ],
    why: 'driver 5.9 reports a cut connection in other words, and resumes a change stream without an event',
  },
]

/** The driver of this run, or `undefined` for a run with both ends of the peer range. */
export function chosenDriver(): DriverName | undefined {
  const chosen = process.env['TEST_DRIVER']
  if (chosen === undefined || chosen === '') return undefined
  const driver = DRIVERS.find(name => name === chosen)
  if (driver) return driver
  throw new Error(`TEST_DRIVER="${chosen}" is not known. Write one of: ${DRIVERS.join(', ')}.`)
}

/** The package that `import 'mongodb'` loads in a run for a driver. For mongoose it is the driver inside mongoose. */
export function driverPackage(driver: DriverName): string {
  if (!driver.startsWith('mongoose')) return driver
  const mongoose = createRequire(import.meta.url).resolve(driver)
  return createRequire(mongoose).resolve('mongodb')
}

/** The tests that are left out in a run for a driver. */
export function exclusionsOf(driver: DriverName): Exclusion[] {
  return EXCLUSIONS.filter(({ drivers }) => drivers.includes(driver))
}
