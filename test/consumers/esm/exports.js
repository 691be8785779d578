import * as everything from 'express-custom-user-data'

console.log(Object.keys(everything).sort().join(' '))
