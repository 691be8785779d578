/** The module of an app that creates its instance, as `bin/www` requires it. */
export * from './blocks/user-data.js'
