import { randomBytes } from 'node:crypto'
import { UsageError } from '../shared/cli/usage-error.ts'
import { groupType, type ResourceType, userType } from '../shared/scim/resource-type.ts'
import type { TenantFormat } from '../shared/tenants/format.ts'
import { parseTenantName, type Tenant, type TenantSettings } from '../shared/tenants/tenants.ts'
import type { AtPlace } from './command.ts'
import { Failure } from './failure.ts'
import { refuseUnknownFormat } from './known-format.ts'
import type { Values } from './options.ts'
import type { Place } from './place.ts'
import { assigned, refuseSettings, settingsOf } from './relay-settings.ts'
import { table } from './table.ts'
import { statesOf } from './token-store.ts'

/** 32 random bytes: what an identity provider is given as the Secret Token. */
export const newToken = (): string => randomBytes(32).toString('base64url')

export const addTenant: AtPlace = ({ args: [given = ''], values, surroundings }) => {
	const name = nameOf(given)
	const mode = modeOf(values)
	const settings = settingsOf({ values, surroundings })
	if (mode === 'store') refuseSettings(settings)
	return async (place) => {
		// A vault that cannot be used says so before anything is made.
		await place.tokens.list(name)
		const tenant = await place.tenants.createTenant({ name, mode, settings: assigned(settings) })
		if (tenant === 'exists') {
			throw new Failure(`there is a tenant ${name} already`, {
				hint: `another token for it: ${place.typed(`token add ${name}`)}`,
			})
		}
		const token = newToken()
		const { version } = await place.tokens.add(name, token).catch((cause: unknown) => {
			const hint = `when that is put right: ${place.typed(`token add ${name}`)}`
			throw new Failure(`the tenant ${name} is made, but its token is not: ${reasonOf(cause)}`, { hint, cause })
		})
		const url = place.urlOf(name)
		return {
			text: `Tenant URL    ${url}\nSecret Token  ${token}`,
			json: { name, mode, url, token, version },
		}
	}
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

export const listTenants: AtPlace = () => async (place) => {
	const tenants = await place.tenants.listTenants()
	return {
		text:
			tenants.length === 0
				? 'There are no tenants.'
				: table([
						['NAME', 'MODE', 'FORMAT', 'CREATED'],
						...tenants.map(({ name, mode, format, created }) => [name, mode, formatInWords(format), created]),
					]),
		json: tenants.map(({ name, mode, format: { number, stage }, created }) => ({
			...{ name, mode, format: number, formatStage: stage, created, url: place.urlOf(name) },
		})),
	}
}

/** @example formatInWords({ number: 2, stage: 'announced', since: 0, position: '' }) // '2 announced' */
const formatInWords = ({ number, stage }: TenantFormat): string =>
	stage === 'complete' ? `${number}` : `${number} ${stage}`

export const showTenant: AtPlace =
	({ args: [name = ''] }) =>
	async (place) => {
		const tenant = await tenantNamed(place, name)
		const { mode, settings, created } = tenant
		const states = statesOf(await place.tokens.list(name), Date.now())
		const accepted = states.filter((state) => state === 'accepted').length
		const counts = mode === 'store' ? await countsOf(place, tenant) : {}
		const url = place.urlOf(name)
		return {
			text: table([
				['Tenant URL', url],
				['Mode', mode],
				...cellsOf(settings),
				['Created', created],
				...Object.entries(counts).map(([what, count]) => [what === 'users' ? 'Users' : 'Groups', String(count)]),
				['Tokens', `${accepted} accepted, ${states.length} in all`],
			]),
			json: {
				name,
				mode,
				url,
				settings,
				created,
				table: tenant.table,
				...counts,
				tokens: { accepted, all: states.length },
			},
		}
	}

/** How many users and groups there are. */
export async function countsOf(place: Place, tenant: Tenant) {
	const store = place.open(tenant)
	const count = async (type: ResourceType) => {
		// Only a walk by cursor may be without a total.
		const { totalResults = 0 } = await store.query(type, { page: { startIndex: 1, count: 0 } })
		return totalResults
	}
	const [users, groups] = await Promise.all([count(userType), count(groupType)])
	return { users, groups }
}

export const setTenant: AtPlace = ({ args: [name = ''], values, surroundings }) => {
	const given = settingsOf({ values, surroundings })
	if (Object.keys(given).length === 0) {
		throw new UsageError('nothing to set', { hint: `${surroundings.program} tenant set --help` })
	}
	return async (place) => {
		const { mode } = await tenantNamed(place, name)
		if (mode === 'store') refuseSettings(given)
		const tenant = await place.tenants.updateSettings(name, (settings) => assigned({ ...settings, ...given }))
		if (tenant === 'absent') throw noTenant(place, name)
		const { settings } = tenant
		const cells = cellsOf(settings)
		const text = cells.length === 0 ? `The tenant ${name} has no settings of its own.` : table(cells)
		return { text, json: { name, mode, settings } }
	}
}

const cellsOf = (settings: TenantSettings): readonly (readonly [string, string])[] =>
	Object.entries(settings).map(([setting, value]) => [setting, String(value)])

/** @throws Failure where there is no such tenant, or if its data has a format that this version does not know */
export async function tenantNamed(place: Place, name: string): Promise<Tenant> {
	const tenant = await place.tenants.getTenant(name)
	if (tenant === undefined) throw noTenant(place, name)
	refuseUnknownFormat(tenant)
	return tenant
}

/** @throws Failure where there is no such tenant, or where its directory is not here */
export async function storeTenantNamed(place: Place, name: string): Promise<Tenant> {
	const tenant = await tenantNamed(place, name)
	if (tenant.mode === 'store') return tenant
	throw new Failure(`the tenant ${name} has no directory here`, {
		hint: 'its mode is relay: users and groups are in the SCIM server behind it',
	})
}

const noTenant = (place: Place, name: string): Failure =>
	new Failure(`there is no tenant ${name}`, { hint: place.typed('tenant list') })

function nameOf(text: string): string {
	const name = parseTenantName(text)
	if (name === undefined) {
		throw new UsageError(`${text} cannot be the name of a tenant`, {
			hint: 'use 2 to 39 lower-case letters and digits, with single hyphens between them; words like "users" are taken',
		})
	}
	return name
}

function modeOf({ mode = 'store' }: Values): Tenant['mode'] {
	if (mode === 'store' || mode === 'relay') return mode
	throw new UsageError(`--mode ${mode} is not a mode`, { hint: 'it is store or relay' })
}
