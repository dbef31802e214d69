/** Set by build.mjs from package.json, because the agent is a single file that is copied without package.json. */
declare const ROLLCALL_VERSION: string

export const version = typeof ROLLCALL_VERSION === 'undefined' ? 'not built' : ROLLCALL_VERSION
