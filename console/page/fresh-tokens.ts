/** Tokens that were made in this tab, by tenant. The console tells each only once, so a reload of the page forgets them. */
const tokens = new Map<string, string>()

export const keepFreshToken = (tenant: string, token: string): unknown => tokens.set(tenant, token)

export const freshToken = (tenant: string): string | undefined => tokens.get(tenant)
