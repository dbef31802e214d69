/** What the console works on. */
export type About = {
	/** Where the tenants are, in words, such as `the folder /home/joy/rollcall/data`. */
	readonly place: string
	readonly version: string
	/** The role in Azure that the operator lacks for changes, if that is known. */
	readonly missingRole?: string
}
