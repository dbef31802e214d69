import type { Quirk } from './dialect.ts'

/** The kinds of clients that are told apart, by the text in their User-Agent header. */
const names = {
	Entra: /\b(azure|entra|microsoft)/i,
	Okta: /\bokta/i,
	OneLogin: /\bonelogin/i,
	JumpCloud: /\bjumpcloud/i,
	Ping: /\bping ?(federate|one|identity)/i,
	SailPoint: /\bsailpoint/i,
	Google: /\bgoogle/i,
	Keycloak: /\bkeycloak/i,
	PowerShell: /powershell/i,
	curl: /^curl\//i,
	rollcall: /^rollcall\b/i,
} as const

/** A provisioning client, or a tool. */
export type ClientKind = keyof typeof names

/**
 * Deviations that Entra's client is known for. Its requests may lack a User-Agent header.
 * https://learn.microsoft.com/entra/identity/app-provisioning/application-provisioning-config-problem-scim-compatibility
 */
const quirksOfEntra: readonly Quirk[] = [
	'operationInAnyCase',
	'elementFromFilter',
	'namesValuesToRemove',
	'roleFromJson',
]

/**
 * The kind of client that sends a request; undefined if nothing tells. Anyone may send any header: the kind is a help for
 * the reader of a history, and nothing may depend on it.
 *
 * @param quirks the deviations that are tolerated in the request
 */
export function clientKind(userAgent: string | null, quirks: Iterable<Quirk> = []): ClientKind | undefined {
	if (userAgent !== null && userAgent !== '') {
		const named = Object.entries(names).find(([, pattern]) => pattern.test(userAgent))
		return named?.[0] as ClientKind | undefined // sound: the keys of the table
	}
	return [...quirks].some((quirk) => quirksOfEntra.includes(quirk)) ? 'Entra' : undefined
}
