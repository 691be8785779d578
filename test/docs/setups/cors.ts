import cors from 'cors'

export { cors }
