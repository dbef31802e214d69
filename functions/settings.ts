import * as z from 'zod'
import type { Rate } from '../shared/limits/bucket.ts'
import { allProblems, wordingWithoutValues } from '../shared/scim/wording.ts'
import type { RelaySettings } from './relay/relay.ts'

/** The settings of the app. Tables and tokens each have one form for Azure and one for a developer's machine. */
export type Settings = {
	readonly tables: { readonly endpoint: string } | { readonly connectionString: string }
	readonly tokens: { readonly vaultUrl: string } | { readonly file: string }
	/** The origin of the URLs in answers. Absent on the loopback host, whose requests have its own address. */
	readonly publicOrigin?: string
	/** The client id of the user-assigned managed identity, if there is one. */
	readonly clientId?: string
	/** The largest number of resources to scan for one request. */
	readonly scanLimit?: number
	/** Milliseconds for which the feed of changes is kept. */
	readonly keepFeedFor?: number
	/** The units that a tenant may use in one process; no limit if absent. */
	readonly rate?: Rate
	/** Absent if no tenant is behind a relay. */
	readonly relay?: RelaySettings
}

const optional = <T extends z.ZodType>(schema: T) =>
	z.preprocess((value) => (value === '' ? undefined : value), schema.optional())

/** Entra ID asks for at least 25 requests a second for each tenant. */
export const lowestRate = 25

const number = z.coerce.number({ error: 'is not a number' })

const rateSetting = (low: string) => optional(number.int().min(lowestRate, low))

/** Must be https, because tokens of the managed identity are sent there. */
const azureAddress = z.url({ protocol: /^https$/, error: 'is not an https address' })

const environment = z.object({
	ROLLCALL_TABLES_ENDPOINT: optional(azureAddress),
	ROLLCALL_TABLES_CONNECTION_STRING: optional(
		z.string().regex(/(^|;)\s*(AccountKey|UseDevelopmentStorage)=/i, 'is not a connection string with an account key'),
	),
	ROLLCALL_KEY_VAULT_URL: optional(azureAddress),
	ROLLCALL_TOKENS_FILE: optional(z.string()),
	ROLLCALL_RELAY_NAMESPACE: optional(
		z.string().regex(/^[a-z0-9][a-z0-9.-]*(:\d+)?$/i, 'is not a host name such as contoso.servicebus.windows.net'),
	),
	ROLLCALL_RELAY_KEY_NAME: optional(z.string()),
	ROLLCALL_RELAY_KEY: optional(z.string()),
	ROLLCALL_RELAY_RESOURCE: optional(azureAddress),
	ROLLCALL_RELAY_LISTEN_KEY: optional(z.string()),
	ROLLCALL_SCAN_LIMIT: optional(number.int().min(1000)),
	ROLLCALL_FEED_DAYS: optional(number.int().min(1).max(3650)),
	ROLLCALL_PUBLIC_ORIGIN: optional(
		azureAddress.refine((text) => new URL(text).origin === text, 'is not an origin such as https://scim.contoso.com'),
	),
	WEBSITE_HOSTNAME: optional(z.string().regex(/^[a-z0-9.-]+(:\d+)?$/i, 'is not a host name')),
	ROLLCALL_RATE: rateSetting(`is less than ${lowestRate} a second`),
	ROLLCALL_BURST: rateSetting(`is less than ${lowestRate}`),
	AZURE_CLIENT_ID: optional(z.string()),
})

/**
 * Reads the app settings. An empty setting counts as missing: infrastructure code leaves settings out in this way.
 *
 * @throws Error that names the wrong setting; the worker does not start
 */
export function parseSettings(variables: Readonly<Record<string, string | undefined>>): Settings {
	const parsed = environment.safeParse(variables, { error: wordingWithoutValues })
	if (!parsed.success) {
		throw new Error(`app setting ${allProblems(parsed.error, 'environment')}`, { cause: parsed.error })
	}
	const { AZURE_CLIENT_ID: clientId, ROLLCALL_SCAN_LIMIT: scanLimit, ROLLCALL_FEED_DAYS: days, ...values } = parsed.data
	const { ROLLCALL_RATE: perSecond = defaultRate, ROLLCALL_BURST: burst = burstOf(perSecond) } = values
	return {
		tables: oneOf(
			['ROLLCALL_TABLES_ENDPOINT', values.ROLLCALL_TABLES_ENDPOINT, (endpoint) => ({ endpoint })],
			[
				'ROLLCALL_TABLES_CONNECTION_STRING',
				values.ROLLCALL_TABLES_CONNECTION_STRING,
				(connectionString) => ({ connectionString }),
			],
		),
		tokens: oneOf(
			['ROLLCALL_KEY_VAULT_URL', values.ROLLCALL_KEY_VAULT_URL, (vaultUrl) => ({ vaultUrl })],
			['ROLLCALL_TOKENS_FILE', values.ROLLCALL_TOKENS_FILE, (file) => ({ file })],
		),
		...(clientId !== undefined && { clientId }),
		...(scanLimit !== undefined && { scanLimit }),
		...(days !== undefined && { keepFeedFor: days * 24 * 60 * 60_000 }),
		rate: { perSecond, burst },
		...relayOf(values),
		publicOrigin: originOf(values),
	}
}

const defaultRate = 100

/** The burst if none is set: what comes in within four seconds. */
export const burstOf = (perSecond: number): number => 4 * perSecond

type Variables = Omit<z.infer<typeof environment>, 'AZURE_CLIENT_ID' | 'ROLLCALL_SCAN_LIMIT' | 'ROLLCALL_FEED_DAYS'>

/** Azure sets WEBSITE_HOSTNAME to the name of the app there. The local tools set it to their own address, without TLS. */
function originOf({ ROLLCALL_PUBLIC_ORIGIN: origin, WEBSITE_HOSTNAME: host }: Variables): string {
	if (origin !== undefined) return origin
	if (host === undefined)
		throw new Error('set the app setting ROLLCALL_PUBLIC_ORIGIN, because WEBSITE_HOSTNAME is missing')
	return `${/^(localhost|127\.0\.0\.1)(:|$)/i.test(host) ? 'http' : 'https'}://${host.toLowerCase()}`
}

function relayOf(values: Variables): Pick<Settings, 'relay'> {
	const { ROLLCALL_RELAY_NAMESPACE: namespace, ROLLCALL_RELAY_KEY_NAME: keyName, ROLLCALL_RELAY_KEY: key } = values
	if ((keyName === undefined) !== (key === undefined)) {
		throw new Error('the app settings ROLLCALL_RELAY_KEY_NAME and ROLLCALL_RELAY_KEY belong together')
	}
	if (namespace === undefined) {
		if (key === undefined) return {}
		throw new Error('the app setting ROLLCALL_RELAY_KEY needs ROLLCALL_RELAY_NAMESPACE')
	}
	const sas = keyName !== undefined && key !== undefined ? { sas: { keyName, key } } : {}
	return { relay: { namespace, ...sas, ...listenOf(values) } }
}

function listenOf({ ROLLCALL_RELAY_RESOURCE: resource, ROLLCALL_RELAY_LISTEN_KEY: key }: Variables) {
	if (resource !== undefined && key !== undefined) {
		throw new Error('set one of the app settings ROLLCALL_RELAY_RESOURCE and ROLLCALL_RELAY_LISTEN_KEY')
	}
	if (resource !== undefined) return { listen: { resource } }
	return key === undefined ? {} : { listen: { key } }
}

type Choice<T> = readonly [name: string, value: string | undefined, read: (value: string) => T]

function oneOf<A, B>(first: Choice<A>, second: Choice<B>): A | B {
	const [firstName, firstValue, readFirst] = first
	const [secondName, secondValue, readSecond] = second
	if ((firstValue === undefined) === (secondValue === undefined)) {
		throw new Error(`set one of the app settings ${firstName} and ${secondName}`)
	}
	return firstValue === undefined ? readSecond(secondValue ?? '') : readFirst(firstValue)
}
