/** build.mjs puts the version of package.json here, so that the agent's one file knows it wherever it is copied to. */
declare const ROLLCALL_VERSION: string

export const version = typeof ROLLCALL_VERSION === 'undefined' ? 'not built' : ROLLCALL_VERSION
