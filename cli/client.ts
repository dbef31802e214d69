import { randomBytes } from 'node:crypto'
import { type ClientSecret, type OAuthClient, parseClient } from '../shared/auth/client.ts'
import { storedDigestOf } from '../shared/auth/tokens.ts'
import { UsageError } from '../shared/cli/usage-error.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import type { CommandResult, TargetCommand } from './command.ts'
import { labelOf, scopeOf } from './credential-options.ts'
import { parseDuration } from './duration.ts'
import { Failure } from './failure.ts'
import { ensureSigningKey } from './signing-keys.ts'
import { table } from './table.ts'
import type { DeploymentTarget } from './target.ts'
import { tenantNamed } from './tenant.ts'

/** A new secret: the value to print, and what is stored. */
type NewSecret = { readonly value: string; readonly secret: ClientSecret }

function newSecret(lasts: number): NewSecret {
	const value = randomBytes(32).toString('base64url')
	const now = Date.now()
	const secret = {
		id: randomBytes(4).toString('hex'),
		digest: storedDigestOf(value),
		created: new Date(now).toISOString(),
		expires: new Date(now + lasts).toISOString(),
	}
	return { value, secret }
}

/** Letters and digits alone, so that a client id needs no quoting and no encoding. */
export const newClientId = (): string => randomBytes(10).toString('hex')

export const addClient: TargetCommand = ({ args: [name = ''], values }) => {
	const lasts = lastsOf(values['expires-in'])
	const described = { ...labelOf(values), scope: scopeOf(values) }
	return async (target) => {
		const tenant = await tenantNamed(target, name)
		return secretResult(target, { name, ...(await addedClient(target, tenant, { ...described, lasts })) })
	}
}

type ClientDraft = Pick<OAuthClient, 'scope'> & {
	readonly label?: string
	/** How long the secret works, in milliseconds. */
	readonly lasts: number
}

/** Adds a client to a tenant. The value of its secret is known only here. */
export async function addedClient(
	target: DeploymentTarget,
	tenant: Tenant,
	{ lasts, ...described }: ClientDraft,
): Promise<{ readonly client: OAuthClient; readonly secret: ClientSecret; readonly value: string }> {
	const { value, secret } = newSecret(lasts)
	const client: OAuthClient = {
		...{ kind: 'secret', id: newClientId(), ...described },
		...{ created: secret.created, secrets: [secret] },
	}
	await storeNewClient(target, tenant, client)
	return { client, secret, value }
}

/** Stores a client that gets access tokens. Their key comes first, so that the client works as soon as it is there. */
export async function storeNewClient(target: DeploymentTarget, tenant: Tenant, client: OAuthClient): Promise<void> {
	if (client.kind !== 'reader') await ensureSigningKey(target, tenant.name)
	await target.clients.add(tenant, { id: client.id, json: JSON.stringify(client) })
	if (client.kind !== 'reader') await target.tenants.noteClients(tenant.name, true)
}

type SecretResult = {
	readonly name: string
	readonly client: OAuthClient
	readonly secret: ClientSecret
	readonly value: string
}

function secretResult(target: DeploymentTarget, { name, client, secret, value }: SecretResult): CommandResult {
	const url = target.urlOf(name)
	const tokenEndpoint = tokenEndpointOf(target, name)
	return {
		text: table([
			['Tenant URL', url],
			['Token endpoint', tokenEndpoint],
			['Client id', client.id],
			['Client secret', value],
			['Scope', client.scope],
			['Expires', secret.expires],
		]),
		json: {
			...{ name, url, tokenEndpoint, clientId: client.id, clientSecret: value },
			...{ secret: secret.id, scope: client.scope, expires: secret.expires },
		},
	}
}

export const tokenEndpointOf = (target: DeploymentTarget, name: string): string => `${target.urlOf(name)}/oauth2/token`

export const listClients: TargetCommand =
	({ args: [name = ''] }) =>
	async (target) => {
		const listed = await listedClients(target, await tenantNamed(target, name))
		const rows = listed.flatMap(rowsOf)
		return {
			text: rows.length === 0 ? `The tenant ${name} has no clients.` : table([columns, ...rows]),
			json: listed,
		}
	}

type LastUse = { readonly lastUsed?: string }

/** A secret of a client without its digest. */
export type ListedSecret = Omit<ClientSecret, 'digest'> & LastUse & { readonly state: SecretState }

/** A client, federation or reader without what proves it. */
export type ListedClient =
	| (Exclude<OAuthClient, { kind: 'secret' }> & LastUse)
	| (Omit<Extract<OAuthClient, { kind: 'secret' }>, 'secrets'> &
			LastUse & { readonly secrets: readonly ListedSecret[] })

/** The clients, federations and readers of a tenant. */
export async function listedClients(target: DeploymentTarget, tenant: Tenant): Promise<readonly ListedClient[]> {
	const [clients, lastUses] = await Promise.all([clientsOf(target, tenant), target.lastUses(tenant)])
	const lastUseOf = ({ id }: { readonly id: string }): LastUse => {
		const lastUsed = lastUses.get(id)
		return lastUsed === undefined ? {} : { lastUsed }
	}
	return clients.map((client) => {
		if (client.kind !== 'secret') return { ...client, ...lastUseOf(client) }
		const { secrets, ...described } = client
		return {
			...described,
			...lastUseOf(client),
			secrets: secrets.map((secret) => ({ ...withoutDigest(secret), ...lastUseOf(secret) })),
		}
	})
}

const columns = ['CLIENT', 'KIND', 'STATE', 'SCOPE', 'LABEL', 'SECRET', 'CREATED', 'EXPIRES', 'LAST USED']

/** One line for each secret, and one for a client without secrets. */
function rowsOf(client: ListedClient): readonly (readonly string[])[] {
	const { id, kind, scope, label = '', created, lastUsed = '' } = client
	const first = (state: string) => [id, kind, state, scope, label]
	if (client.kind !== 'secret') {
		return [[...first(client.isDisabled ? 'disabled' : 'accepted'), '', created, '', lastUsed]]
	}
	return client.secrets.map((secret) => [
		...first(client.isDisabled ? 'disabled' : secret.state),
		...[secret.id, secret.created, secret.expires, secret.lastUsed ?? ''],
	])
}

type SecretState = 'accepted' | 'expired' | 'disabled'

const stateOf = (secret: Pick<ClientSecret, 'isDisabled' | 'expires'>): SecretState =>
	secret.isDisabled ? 'disabled' : Date.parse(secret.expires) <= Date.now() ? 'expired' : 'accepted'

const withoutDigest = ({ digest: _, ...secret }: ClientSecret) => ({
	...secret,
	state: stateOf(secret),
})

export const disableClient: TargetCommand =
	({ args: [name = '', id = ''], values: { secret } }) =>
	async (target) => {
		await endClient(target, await tenantNamed(target, name), { id, secret })
		const what = secret === undefined ? `The client ${id}` : `The secret ${secret} of the client ${id}`
		return {
			text: `${what} was disabled. A running host refuses it and its access tokens within a minute.`,
			json: { name, client: id, ...(secret !== undefined && { secret }), state: 'disabled' },
		}
	}

type EndOfClient = { readonly id: string; readonly secret?: string | undefined }

/** Disables a client, or one of its secrets. */
export async function endClient(target: DeploymentTarget, tenant: Tenant, { id, secret }: EndOfClient): Promise<void> {
	await changeClient(target, tenant, id, (client) =>
		secret === undefined ? { ...client, isDisabled: true } : withoutSecret(target, tenant, { client, secret }),
	)
	const clients = await clientsOf(target, tenant)
	await target.tenants.noteClients(
		tenant.name,
		clients.some(({ kind, isDisabled }) => kind !== 'reader' && !isDisabled),
	)
}

type SecretOfClient = { readonly client: OAuthClient; readonly secret: string }

function withoutSecret(target: DeploymentTarget, { name }: Tenant, { client, secret }: SecretOfClient): OAuthClient {
	const secrets = client.kind === 'secret' ? client.secrets : []
	if (client.kind === 'secret' && secrets.some(({ id }) => id === secret)) {
		return { ...client, secrets: secrets.map((each) => (each.id === secret ? { ...each, isDisabled: true } : each)) }
	}
	throw new Failure(`the client ${client.id} has no secret ${secret}`, {
		hint: target.commandLine(`client list ${name}`),
	})
}

/** In milliseconds. */
const longestTokenLife = 6 * 3_600_000

/** A client has at most this many secrets that work. */
const maxSecrets = 4

/** Adds a secret and sets an end for the older ones. */
export const rotateClient: TargetCommand = ({ args: [name = '', id = ''], values }) => {
	const lasts = lastsOf(values['expires-in'])
	const overlap = parseDuration(values.overlap ?? '24h')
	if (overlap === undefined) {
		throw new UsageError(`--overlap ${values.overlap} is not a valid time`, {
			hint: 'use a time such as 30m, 24h or 7d',
		})
	}
	return async (target) => {
		const tenant = await tenantNamed(target, name)
		const end = new Date(Date.now() + overlap).toISOString()
		const { client, secret, value } = await addedSecret(target, tenant, { id, lasts, end })
		const ending =
			client.kind === 'secret' ? client.secrets.slice(1).filter((each) => stateOf(each) === 'accepted') : []
		const { text, json } = secretResult(target, { name, client, secret, value })
		return {
			text: [text, ...ending.map((each) => `The secret ${each.id} expires at ${each.expires}.`)].join('\n'),
			json: { ...Object(json), ending: ending.map((each) => ({ secret: each.id, expires: each.expires })) },
		}
	}
}

type SecretDraft = {
	readonly id: string
	/** How long the secret works, in milliseconds. */
	readonly lasts: number
	/** When the older secrets end at the latest: RFC 3339. They stay as they are if it is left out. */
	readonly end?: string
}

/** Adds a secret to a client, in front of the older ones. Its value is known only here. */
export async function addedSecret(
	target: DeploymentTarget,
	tenant: Tenant,
	{ id, lasts, end }: SecretDraft,
): Promise<{ readonly client: OAuthClient; readonly secret: ClientSecret; readonly value: string }> {
	const { name } = tenant
	const { value, secret } = newSecret(lasts)
	const lastUses = await target.lastUses(tenant)
	const client = await changeClient(target, tenant, id, (client) => {
		if (client.kind !== 'secret') {
			throw new Failure(`the client ${id} has no secrets: it is a ${client.kind}`, {
				hint: target.commandLine(`client list ${name}`),
			})
		}
		const live = client.secrets.filter((each) => stateOf(each) === 'accepted')
		if (live.length >= maxSecrets) throw tooManySecrets(target, { name, id, live, lastUses })
		// An access token works only while the secret that it was got by is listed.
		const kept = client.secrets.filter((each) => Date.parse(each.expires) > Date.now() - longestTokenLife)
		return { ...client, secrets: [secret, ...kept.map((each) => endingAt(each, end))] }
	})
	return { client, secret, value }
}

const endingAt = (secret: ClientSecret, end: string | undefined): ClientSecret =>
	end === undefined ? secret : { ...secret, expires: earlier(secret.expires, end) }

/** Sets an end for the secrets of a client that are older than one of them. Answers those that still work until then. */
export async function endOlderSecrets(
	target: DeploymentTarget,
	tenant: Tenant,
	{ id, secret, end }: { readonly id: string; readonly secret: string; readonly end: string },
): Promise<readonly ClientSecret[]> {
	const isOlder = (each: ClientSecret) => each.id !== secret
	const client = await changeClient(target, tenant, id, (client) =>
		client.kind === 'secret'
			? { ...client, secrets: client.secrets.map((each) => (isOlder(each) ? endingAt(each, end) : each)) }
			: client,
	)
	return client.kind === 'secret' ? client.secrets.filter((each) => isOlder(each) && stateOf(each) === 'accepted') : []
}

const earlier = (a: string, b: string): string => (a < b ? a : b)

type LiveSecrets = {
	readonly name: string
	readonly id: string
	readonly live: readonly ClientSecret[]
	readonly lastUses: ReadonlyMap<string, string>
}

function tooManySecrets(target: DeploymentTarget, { name, id, live, lastUses }: LiveSecrets): Failure {
	const used = live.toReversed().map((secret) => ({ id: secret.id, lastUsed: lastUses.get(secret.id) ?? '' }))
	const [least] = used.toSorted((a, b) => (a.lastUsed < b.lastUsed ? -1 : Number(a.lastUsed > b.lastUsed)))
	const listed = used.map(({ id, lastUsed }) => `${id}, ${lastUsed === '' ? 'unused' : `last used ${lastUsed}`}`)
	return new Failure(`the client ${id} has ${maxSecrets} secrets; oldest first: ${listed.join('; ')}`, {
		hint: `disable one that nothing uses: ${target.commandLine(`client disable ${name} ${id} --secret ${least?.id}`)}`,
	})
}

/** The clients of a tenant that this version can read. */
export async function clientsOf(target: DeploymentTarget, tenant: Tenant): Promise<readonly OAuthClient[]> {
	return (await target.clients.list(tenant)).flatMap(({ json }) => parseClient(json) ?? [])
}

async function changeClient(
	target: DeploymentTarget,
	tenant: Tenant,
	id: string,
	revise: (client: OAuthClient) => OAuthClient,
): Promise<OAuthClient> {
	const hint = target.commandLine(`client list ${tenant.name}`)
	let changed: OAuthClient | undefined
	const outcome = await target.clients.update(tenant, {
		id,
		revise(json) {
			const client = parseClient(json)
			if (client === undefined) {
				throw new Failure(`the client ${id} was made by a newer version`, { hint: 'use the rollcall of that version' })
			}
			changed = revise(client)
			return JSON.stringify(changed)
		},
	})
	if (outcome === 'absent' || changed === undefined) {
		throw new Failure(`the tenant ${tenant.name} has no client ${id}`, { hint })
	}
	return changed
}

const shortest = '1d'
const longest = '1096d'

/** How long a secret works, in milliseconds. @throws UsageError */
export function lastsOf(text = '365d'): number {
	const lasts = parseDuration(text)
	if (lasts !== undefined && lasts >= (parseDuration(shortest) ?? 0) && lasts <= (parseDuration(longest) ?? 0))
		return lasts
	throw new UsageError(`--expires-in ${text} is not a valid time`, {
		hint: `use ${shortest} to ${longest}, such as 365d`,
	})
}
