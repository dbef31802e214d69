import { type ClientKind, clientKind } from '../shared/scim/client-kind.ts'
import type { Quirk } from '../shared/scim/dialect.ts'

/** Knows which kind of client uses a credential. The quirks of a request are known at its end, its changes before. */
export type Clients = {
	/** The kind of client of a request that begins: by its User-Agent header, or by earlier requests with its credential. */
	kindOf(credential: string, userAgent: string | null): ClientKind | undefined
	/** Remembers what the quirks of a request have told. */
	remember(credential: string, quirks: Iterable<Quirk>): void
}

const maxCredentials = 1000

export function rememberClients(): Clients {
	const known = new Map<string, ClientKind>()
	return {
		kindOf: (credential, userAgent) => clientKind(userAgent) ?? (userAgent ? undefined : known.get(credential)),
		remember(credential, quirks) {
			const kind = clientKind(null, quirks)
			if (kind === undefined || known.has(credential)) return
			if (known.size >= maxCredentials) known.clear()
			known.set(credential, kind)
		},
	}
}
