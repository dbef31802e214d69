import type { Azure } from '../azure/azure.ts'
import type { GraphDirectory } from './directory.ts'

export type GraphCall = {
	readonly method: string
	readonly url: URL
	readonly authorization: string
	readonly contentType: string | undefined
	readonly content: string
}

export type GraphAnswer = {
	readonly status: number
	readonly headers?: Readonly<Record<string, string>>
	readonly body?: unknown
}

/** A stand-in of Microsoft Graph under its own name, for programs that are started with `envOf`. */
export type GraphStandIn = {
	readonly directory: GraphDirectory
	/** Method and path of all requests, in order. */
	readonly log: string[]
	/** Requests that Microsoft's documentation does not know. A test expects none. */
	readonly mistakes: string[]
	/** Decides on a request before it is answered: an answer replaces that of the stand-in. */
	interfere: (call: GraphCall) => GraphAnswer | undefined
	/** Whether the SCIM server at an address accepts a token, as Entra finds out. */
	accepts: (address: string, token: string) => boolean
	/** The environment of a signed-in user whose token has these scopes. */
	envOf(azure: Azure, scopes?: string): Readonly<Record<string, string>>
}
