/** Set by build.mjs from package.json, because programs are copied without package.json. */
declare const ROLLCALL_VERSION: string

export const version = typeof ROLLCALL_VERSION === 'undefined' ? 'not built' : ROLLCALL_VERSION
