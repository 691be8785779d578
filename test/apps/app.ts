import type { Visit } from './visit.js'

/** A public app into which the package is put. Its folder here has the patches; none of its code is kept here. */
export interface App {
  /** Names the app, its folder here, and the folder of its clone. */
  readonly name: string
  readonly source: Clone | Generator
  /** Environment of the app, of its tests too. `MONGODB_URL` and `PORT` are added. A mail server that drops all mail listens on `smtpPort`. */
  readonly env: (mongoUrl: string, smtpPort: number) => Readonly<Record<string, string>>
  /** Programs to run in the app after each `npm install`, which runs no scripts: a build, or the app's own `postinstall`. */
  readonly prepare?: readonly Command[]
  /** The app's tests. Without them only our requests are made. */
  readonly tests?: Tests
  /** Starts the app, which then listens on `PORT`. */
  readonly start: Command
  readonly ways: readonly Way[]
  /** What a team sees that did not lift its versions. Missing where no version of the app is below what we support. */
  readonly withoutUpgrade?: WithoutUpgrade
}

/** A program and its arguments. `node` is the Node.js that runs this. */
export type Command = readonly [string, ...string[]]

/** A commit of a clone, and the folder of the app in it if it is not the root. */
export interface Clone {
  readonly repository: string
  readonly commit: string
  readonly folder?: string
}

/** A program that writes the app into the current folder. */
export interface Generator {
  readonly generator: Command
}

export interface Tests {
  /** Both write their results to the file that the environment variable `TEST_RESULTS` names. */
  readonly runner: 'jest' | 'mocha'
  readonly command: Command
  /** Full names of the tests that fail before the package is put in. Any other failure fails the run. */
  readonly failing: readonly string[]
}

/** One way to put the package in. */
export interface Way {
  /** Names the patch: `attach` is `attach.patch`. */
  readonly name: string
  /** Full names of the tests whose subject this way replaces, such as the storage of refresh tokens. */
  readonly replaced?: readonly string[]
  /** Programs that must succeed after the patch, such as a compiler. */
  readonly checks?: readonly Command[]
  /** Our requests: login, data, stale and fresh, refresh, logout, 403. Throws where an answer is wrong. */
  readonly requests: (visit: Visit) => Promise<unknown>
}

export interface WithoutUpgrade {
  /** The versions that the app has without our first patch, such as `mongoose@5.13.22`. */
  readonly versions: readonly string[]
  /** What `npm install` of this package says about them. Missing if the ranges of the app let npm lift them by itself. */
  readonly npm?: RegExp
  /** What the app says at its start if the package is installed beside them all the same. */
  readonly app?: RegExp
  /** The folder of log files to which the app writes uncaught errors instead of printing them. */
  readonly logs?: string
}
