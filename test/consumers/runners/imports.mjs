import 'express-custom-user-data/global'
import { createCustomUserData } from 'express-custom-user-data'
import { createTestUserData } from 'express-custom-user-data/testing'

export { createCustomUserData, createTestUserData }
