// What the server answers about tenants, and what the page reads.

/** A tenant in the list. */
export type ListedTenant = {
	readonly name: string
	readonly mode: 'store' | 'relay'
	/** RFC 3339. */
	readonly created: string
	/** The Tenant URL. */
	readonly url: string
}

export type ListedTenants = {
	readonly tenants: readonly ListedTenant[]
}

/** How a tenant is doing. Times are RFC 3339. */
export type TenantSummary = {
	/** Missing if the directory is in a SCIM server. */
	readonly people?: number
	readonly groups?: number
	readonly lastRequest?: string
	readonly lastWrite?: string
	readonly failuresToday: number
	/** Credentials that end within 30 days and work now. */
	readonly ending: readonly EndingSoon[]
	/** Why credentials are missing in `ending`, if the operator may not list them. */
	readonly credentialsProblem?: string
	/** What the tenant has lost in the last hour, if that is more than the guard allows. */
	readonly losses?: string
	/** For a tenant of mode relay: the namespace, or what is missing. */
	readonly relay?: string
}

/** A credential that ends soon. */
export type EndingSoon = {
	readonly kind: 'token' | 'client secret'
	/** Its label, or its id. */
	readonly name: string
	readonly expires: string
}
