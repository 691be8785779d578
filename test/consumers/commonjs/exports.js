const everything = require('express-custom-user-data')

console.log(Object.keys(everything).sort().join(' '))
