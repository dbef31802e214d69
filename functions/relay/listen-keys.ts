import * as z from 'zod'
import { type Memory, remember } from '../../shared/auth/remember.ts'
import { listenKeyName } from '../../shared/relay/enrolment.ts'
import type { TokenSource } from '../../shared/relay/token-cache.ts'

/** Both keys of the rule by which listen tokens are signed. */
const listenKeys = z.object({ primaryKey: z.string().min(1), secondaryKey: z.string().min(1) })

export type ListenKeys = z.infer<typeof listenKeys>

/** Whose keys, and when one of them was last renewed by `rollcall`: keys that were read before are not used. */
export type ListenRule = { readonly hybridConnection: string; readonly renewed?: string | undefined }

type ListenKeysOptions = {
	/** Reads the keys of the rule of a hybrid connection. */
	readonly read: (hybridConnection: string) => Promise<ListenKeys>
	/** Milliseconds since 1970. */
	readonly now: () => number
}

const second = 1000
const minute = 60 * second

/** Keeps the keys in memory, and nowhere else. Throws a ScimError 503 if they cannot be read. */
export const rememberListenKeys = ({ read, now }: ListenKeysOptions): Memory<ListenRule, ListenKeys> =>
	remember({
		read: ({ hybridConnection }: ListenRule) => read(hybridConnection),
		keyOf: ({ hybridConnection, renewed = '' }) => `${hybridConnection} ${renewed}`,
		name: 'the keys of Azure Relay',
		freshFor: 5 * minute,
		usableUnread: 10 * minute,
		usableOffline: 24 * 60 * minute,
		pause: 10 * second,
		now,
	})

type AzureKeysOptions = {
	/** The address of the namespace in Azure Resource Manager. */
	readonly resource: string
	/** Gets tokens of the app's identity for Azure Resource Manager. */
	readonly token: TokenSource
	readonly fetch: typeof fetch
}

/** https://learn.microsoft.com/rest/api/relay/hybrid-connections/list-keys */
const apiVersion = '2024-01-01'
const timeout = 5000

/** Asks Azure Resource Manager for the keys. It follows no redirect and waits five seconds. */
export const azureListenKeys =
	({ resource, token, fetch: get }: AzureKeysOptions) =>
	async (hybridConnection: string): Promise<ListenKeys> => {
		const name = encodeURIComponent(hybridConnection)
		const rule = `${resource}/hybridConnections/${name}/authorizationRules/${listenKeyName}`
		const response = await get(`${rule}/listKeys?api-version=${apiVersion}`, {
			method: 'POST',
			headers: { Authorization: `Bearer ${(await token()).token}` },
			redirect: 'error',
			signal: AbortSignal.timeout(timeout),
		})
		if (response.status !== 200) throw new Error(`the keys of Azure Relay were answered ${response.status}`)
		return listenKeys.parse(await response.json())
	}
