import type { Binary } from 'mongodb'

export interface Profile {
  userId: string
  language: 'de' | 'fr'
  address: { city: string; lines: string[] }
  memberSince: Date
  photo: Binary
}

declare module 'express-custom-user-data' {
  interface CustomUserDataTypes {
    customData: Profile
  }
}
