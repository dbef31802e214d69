/**
 * The part of an HTTP request that we read. `HttpRequest` of @azure/functions has it. Other hosts need not pay for a whole
 * `HttpRequest`, which also refuses the method TRACE.
 */
export type ScimRequest = {
	readonly method: string
	/** Absolute. */
	readonly url: string
	/** By name, in any letter case. */
	readonly headers: { get(name: string): string | null; has(name: string): boolean }
	arrayBuffer(): Promise<ArrayBuffer>
}
