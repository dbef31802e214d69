import * as z from 'zod'
import { unavailable } from '../scim/error.ts'
import { allProblems, wording } from '../scim/wording.ts'
import type { GuardLimits } from '../storage/losses.ts'
import {
	guids,
	nameOfThing,
	oneOf,
	type SettingDeclaration,
	type SettingKind,
	trueOrFalse,
	wholeNumber,
} from './setting.ts'

// All settings of tenants. A setting that is declared here has an option of `rollcall tenant add` and `tenant set` with its
// help, is checked, is shown by `rollcall tenant show`, and has a line in docs/cli.md. Code reads settings by `settingsOf`.
//
// To add a setting:
// 1. Declare it in the table below. Let `whenMissing` be what held before there was the setting.
// 2. Read it: `settingsOf(tenant).name`.
// 3. Write it into the page: UPDATE_DOCS=1 npx vitest run test/shared/tenants/settings.test.ts
//
// An app that does not know a setting of a tenant answers 503, because a rule that is not followed is worse than no answer.

/** The settings by the names that the tenant's row has. */
export const declaredSettings = {
	hybridConnection: {
		...nameOfThing('the name of a hybrid connection'),
		option: 'hybrid-connection',
		modes: ['relay'],
		help: 'the hybrid connection, if its name is not that of the tenant',
	},
	agents: {
		...guids,
		option: 'agent',
		modes: ['relay'],
		help: 'an agent to trust, if only some are trusted; may be given several times',
	},
	authorization: {
		...oneOf('onPremises', 'passThrough'),
		option: 'authorization',
		modes: ['relay'],
		help: "whose token the SCIM server gets, the agent's own or the client's",
		whenMissing: 'onPremises',
	},
	patchAsPost: {
		...trueOrFalse,
		option: 'patch-as-post',
		modes: ['relay'],
		help: 'send PATCH as POST, if the relay refuses PATCH',
		whenMissing: false,
	},
	history: {
		...oneOf('full', 'names', 'off'),
		option: 'history',
		modes: ['store', 'relay'],
		help: 'what the ledger keeps: full has the values that a change replaced, names has who changed what, off has neither',
		whenMissing: 'names',
		whenNew: 'full',
	},
	unknownAttributes: {
		...oneOf('keep', 'ignore', 'reject'),
		option: 'unknown-attributes',
		modes: ['store'],
		help: 'what to do with attributes that no schema declares: store them as they are, leave them out, or refuse the request',
		whenMissing: 'ignore',
		whenNew: 'keep',
	},
	dialect: {
		...oneOf('standard', 'strict'),
		option: 'dialect',
		modes: ['store'],
		help: 'standard understands what known clients send beside RFC 7644; strict refuses that, and attributes that no schema declares',
		whenMissing: 'standard',
	},
	userGroups: {
		...oneOf('request', 'default'),
		option: 'user-groups',
		modes: ['store'],
		help: 'when an answer with a user has the groups of the user: request, if the request names them; default, unless the request excludes them',
		whenMissing: 'request',
	},
	guard: {
		...oneOf('hold', 'alert', 'off'),
		option: 'guard',
		modes: ['store'],
		help: 'what happens if very many people or groups are lost within an hour: hold refuses further deletions and alerts, alert only alerts, off does neither',
		whenMissing: 'alert',
	},
	guardPeople: {
		...wholeNumber(0, 10_000_000, 'people'),
		option: 'guard-people',
		modes: ['store'],
		help: 'how many people may be deleted within an hour, and how many may be deactivated (default 10 percent of all, at least 50)',
	},
	guardGroups: {
		...wholeNumber(0, 10_000_000, 'groups'),
		option: 'guard-groups',
		modes: ['store'],
		help: 'how many groups may be deleted within an hour (default 10 percent of all, at least 50)',
	},
	guardMembers: {
		...wholeNumber(2, 10_000_000, 'members'),
		option: 'guard-members',
		modes: ['store'],
		help: 'the size of a group from which one request may not take more than half of the members (default 100)',
	},
	accessTokenSeconds: {
		...wholeNumber(3600, 21_600, 'seconds'),
		option: 'access-token-seconds',
		modes: ['store', 'relay'],
		help: 'how long an access token of an OAuth client works',
		whenMissing: 7200,
	},
} as const satisfies SettingTable

export type SettingTable = Readonly<Record<string, SettingDeclaration>>

/** The settings as the tenant's row has them. */
export type StoredSettings = Readonly<Record<string, unknown>>

/** The settings that hold for a tenant, with the defaults of those that its row lacks. */
export type SettingValues<T extends SettingTable> = {
	readonly [Name in keyof T]:
		| (T[Name] extends SettingKind<infer Value> ? Value : never)
		| (T[Name] extends { readonly whenMissing: unknown } ? never : undefined)
}

export type TenantSettings = SettingValues<typeof declaredSettings>

/** What decides on the settings of a tenant. */
export type SettingsHolder = { readonly mode: 'store' | 'relay'; readonly settings: StoredSettings }

/**
 * The settings that hold for a tenant.
 *
 * @throws ScimError 503 that names a setting whose stored value is wrong
 */
export function settingsOf(tenant: SettingsHolder): TenantSettings {
	const known = parsed.get(tenant.settings) ?? parse(tenant)
	parsed.set(tenant.settings, known)
	return known
}

/** The settings of the tenants that are in memory. A request would otherwise parse them again each time. */
const parsed = new WeakMap<StoredSettings, TenantSettings>()

function parse(tenant: SettingsHolder): TenantSettings {
	const { data, error } = parseSettings(declaredSettings, tenant.settings)
	if (data !== undefined) return data
	throw unavailable(wrongSetting(tenant) ?? allProblems(error, 'the settings'), retryAfterSeconds)
}

type SettingsParse<T extends SettingTable> =
	| { readonly data: SettingValues<T>; readonly error?: undefined }
	| { readonly data?: undefined; readonly error: z.ZodError }

/** Reads stored settings, and leaves out those that the table does not have. */
export function parseSettings<T extends SettingTable>(table: T, stored: StoredSettings): SettingsParse<T> {
	const shapes = Object.entries(table).map(([name, { shape, whenMissing }]) => [
		name,
		whenMissing === undefined ? shape.optional() : shape.default(whenMissing),
	])
	const { data, error } = z.object(Object.fromEntries(shapes)).safeParse(stored, { error: wording })
	return error === undefined ? { data: data as SettingValues<T> } : { error } // sound: each value has passed its shape
}

/** What the row of a new tenant has besides the settings that are chosen for it. */
export const settingsOfNew = (mode: SettingsHolder['mode'], table: SettingTable = declaredSettings): StoredSettings =>
	Object.fromEntries(
		settingsFor(mode, table).flatMap(([name, { whenNew }]) => (whenNew === undefined ? [] : [[name, whenNew]])),
	)

/** The settings that a tenant of this mode may have. */
export const settingsFor = (mode: SettingsHolder['mode'], table: SettingTable = declaredSettings) =>
	Object.entries(table).filter(([, { modes }]) => modes.includes(mode))

const retryAfterSeconds = 60

/**
 * Refuses a tenant with settings that this app cannot follow. Wrong values of a tenant of mode `relay` are left to the
 * sender of its requests, whose refusal has a code that docs/relay-troubleshooting.md explains.
 *
 * @throws ScimError 503 that names the setting
 */
export function requireKnownSettings(tenant: SettingsHolder): void {
	const problem = settingsProblem(tenant)
	if (problem !== undefined) throw unavailable(problem, retryAfterSeconds)
}

/** Why an app cannot serve a tenant with these settings, and what to do; undefined if it can. */
export function settingsProblem(tenant: SettingsHolder): string | undefined {
	if (sound.has(tenant)) return undefined
	const problem = unknownSetting(tenant) ?? (tenant.mode === 'store' ? wrongSetting(tenant) : undefined)
	if (problem === undefined) sound.add(tenant)
	return problem
}

/** The tenants in memory whose settings are right. A request would otherwise check all settings again each time. */
const sound = new WeakSet<SettingsHolder>()

/** Names a stored setting that this version does not know, and what to do; undefined if it knows all of them. */
export function unknownSetting(
	{ settings }: Pick<SettingsHolder, 'settings'>,
	table: SettingTable = declaredSettings,
): string | undefined {
	const name = Object.keys(settings).find((name) => !Object.hasOwn(table, name))
	if (name === undefined) return undefined
	return `This tenant has the setting ${name}, which this version of Rollcall does not know. Deploy a version of Rollcall that knows ${name}, or remove the setting with the rollcall of that version.`
}

/** Names a setting whose stored value is wrong, and what is allowed; undefined if all are right. */
export function wrongSetting(
	{ mode, settings }: SettingsHolder,
	table: SettingTable = declaredSettings,
): string | undefined {
	const wrong = settingsFor(mode, table).find(
		([name, { shape }]) => settings[name] !== undefined && !shape.safeParse(settings[name]).success,
	)
	if (wrong === undefined) return undefined
	const [name, { option, values, allowed }] = wrong
	return `The setting ${name} of this tenant is not ${allowed}. Set it with rollcall tenant set and --${option} ${values}, or deploy a version of Rollcall that knows its value.`
}

/** How much a tenant may lose within an hour, as far as its settings say so. */
export function guardLimitsOf(tenant: SettingsHolder): GuardLimits {
	const { guardPeople: people, guardGroups: groups, guardMembers: members, guard } = settingsOf(tenant)
	return {
		...(people !== undefined && { people }),
		...(groups !== undefined && { groups }),
		...(members !== undefined && { members }),
		...(guard === 'hold' && { isHeld: true }),
	}
}
