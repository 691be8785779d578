/** Custom data with a rule across two fields. */
import { createCustomUserData } from 'express-custom-user-data'
import { db, options } from './common.js'

export { z } from 'zod'

interface Booking {
  userId: string
  start: Date
  end: Date
}

export const userData = createCustomUserData({ ...options, collection: db.collection<Booking>('bookings') })
