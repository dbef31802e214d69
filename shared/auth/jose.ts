/** The library for tokens, loaded by the first token that needs it. A cold start does not wait for it. */
export const jose = async () => (await import('./jose-parts.ts')).joseParts
