import './global.js'
