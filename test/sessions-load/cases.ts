import type { Case } from './case.js'
import { databaseDump } from './cases/dump.js'
import { ends } from './cases/ends.js'
import { absoluteExpiry } from './cases/expiry.js'
import { kills } from './cases/kills.js'
import { loginTiming } from './cases/login-timing.js'
import { migrationTiming } from './cases/migration-timing.js'
import { lostAnswers } from './cases/lost-answers.js'
import { parallelRefreshes, parallelRefreshesWithoutTolerance } from './cases/parallel.js'
import { replays, replaysAfterRestart } from './cases/replays.js'
import { stepDowns } from './cases/step-downs.js'
import { storageFaults } from './cases/storage.js'
import { tabs } from './cases/tabs.js'
import { throughput } from './cases/throughput.js'

/** The goals for rotation in their order, and then the measurements without a goal. */
export const CASES: readonly Case[] = [
  parallelRefreshes,
  parallelRefreshesWithoutTolerance,
  tabs,
  lostAnswers,
  replays,
  kills,
  ends,
  storageFaults,
  stepDowns,
  replaysAfterRestart,
  absoluteExpiry,
  databaseDump,
  loginTiming,
  migrationTiming,
  throughput,
]
