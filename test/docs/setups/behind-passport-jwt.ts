export { requireTeamToken, teamUser } from '../../../examples/behind-passport-jwt/existing-app.js'
