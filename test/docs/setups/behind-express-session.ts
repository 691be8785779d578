export { requireLogin } from '../../../examples/behind-express-session/existing-app.js'
