import 'express-custom-user-data/global'
import { createCustomUserData } from 'express-custom-user-data'

export { createCustomUserData }
