/**
 * An HTTP request as far as we look at it. `HttpRequest` of @azure/functions is one; other hosts spare themselves its
 * cost, and its refusal of the method TRACE.
 */
export type ScimRequest = {
	readonly method: string
	/** Absolute. */
	readonly url: string
	/** By name, in any letter case. */
	readonly headers: { get(name: string): string | null; has(name: string): boolean }
	arrayBuffer(): Promise<ArrayBuffer>
}
