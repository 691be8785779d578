import { z } from 'zod'

export const Profile = z.object({
  userId: z.string(),
  language: z.enum(['de', 'fr']).default('fr'),
  address: z.object({ city: z.string(), lines: z.array(z.string()) }),
  memberSince: z.date(),
})

declare module 'express-custom-user-data' {
  interface CustomUserDataTypes {
    customData: z.infer<typeof Profile>
    requireDocument: true
  }
}
