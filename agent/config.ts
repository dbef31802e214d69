import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname, isAbsolute, relative, resolve, sep } from 'node:path'
import * as z from 'zod'
import { fileReason } from '../shared/cli/file-reason.ts'
import { UsageError } from '../shared/cli/usage-error.ts'
import { nearest } from '../shared/scim/nearest.ts'
import { wording } from '../shared/scim/wording.ts'
import { allowSchema } from './allow.ts'

const text = z.string().min(1)

const credentials = z.discriminatedUnion('type', [
	z.strictObject({ type: z.literal('sas'), keyName: text, keyFile: text }),
	z.strictObject({ type: z.literal('arc') }),
	z.strictObject({
		type: z.literal('enrolled'),
		url: z
			.string()
			.regex(
				/^(https:\/\/[^/?#@]+|http:\/\/(127\.0\.0\.1|localhost):\d+)\/scim\/[a-z0-9-]+$/,
				'must be a Tenant URL such as https://HOST/scim/TENANT',
			),
		keyFile: text,
	}),
	z.strictObject({
		type: z.literal('certificate'),
		tenantId: text,
		clientId: text,
		certificateFile: text,
		keyFile: text,
		authority: z.url({ protocol: /^https$/ }).default('https://login.microsoftonline.com'),
	}),
])

/** Two pins are for the time in which the SCIM server gets a new certificate. */
const pin = z
	.strictObject({
		mode: z.literal('pin'),
		certificateFile: text.optional(),
		pins: z.array(text).min(1).max(2, { message: 'must be at most two files' }).optional(),
		serverName: text.optional(),
	})
	.refine(({ certificateFile, pins }) => (certificateFile === undefined) !== (pins === undefined), {
		path: ['certificateFile'],
		message: 'cannot stand beside pins',
	})

const tls = z.discriminatedUnion('mode', [
	z.strictObject({ mode: z.literal('system'), serverName: text.optional() }),
	z.strictObject({ mode: z.literal('ca'), caFile: text, serverName: text.optional() }),
	pin,
])

const authorization = z.discriminatedUnion('type', [
	z.strictObject({ type: z.literal('bearer'), tokenFile: text }),
	z.strictObject({ type: z.literal('passThrough') }),
	z.strictObject({ type: z.literal('clientCertificate') }),
])

/** The root of a SCIM server. */
export const originUrl = z
	.string()
	.regex(
		/^https:\/\/[^/?#@]+(\/[\w.~-]+)*\/scim(\/[\w.~-]+)*\/?$/,
		'must be an https URL with /scim in its path, such as https://localhost:11015/scim',
	)

const server = z.strictObject({
	relay: z
		.strictObject({
			namespace: z
				.string()
				.regex(/^[a-z0-9.-]+(:\d+)?$/i, 'must be a host name such as contoso.servicebus.windows.net'),
			hybridConnection: z.string().regex(/^[\w.-]+(\/[\w.-]+)*$/, 'must be the name of a hybrid connection'),
			rendezvousSuffix: z.string().startsWith('.').default('.servicebus.windows.net'),
			audience: z.url().default('https://relay.azure.net/'),
			caFile: text.optional(),
			proxy: z.url({ protocol: /^https?$/ }).optional(),
			proxyPasswordFile: text.optional(),
		})
		.refine(({ proxy, proxyPasswordFile }) => proxyPasswordFile === undefined || hasOnlyUser(proxy), {
			path: ['proxyPasswordFile'],
			message: 'needs a proxy with a user and without a password, such as http://user@proxy:8080',
		}),
	credentials,
	origin: z.strictObject({
		url: originUrl,
		tls: tls.default({ mode: 'system' }),
		clientCertificate: z.strictObject({ certificateFile: text, keyFile: text }).optional(),
		authorization,
	}),
	allow: allowSchema.optional(),
	agentId: z.guid().optional(),
	audit: z
		.strictObject({
			file: text,
			megabytes: z.int().min(1).max(1024).default(10),
			keep: z.int().min(1).max(100).default(5),
		})
		.optional(),
	concurrency: z.int().min(1).max(256).default(16),
})

const admin = z.strictObject({ port: z.int().min(1).max(65_535) }).optional()

/** The settings of one server. */
const single = server.extend({ admin })

/** A name is a label of metrics and a word of commands. */
const name = z
	.string()
	.regex(/^[a-z0-9](-?[a-z0-9]){0,31}$/, 'must be up to 32 lowercase letters and digits, with hyphens between them')

const several = z.strictObject({
	servers: z.array(server.extend({ name })).min(1, { message: 'must list a server' }),
	admin,
})

function hasOnlyUser(proxy = ''): boolean {
	if (!URL.canParse(proxy)) return false
	const { username, password } = new URL(proxy)
	return username !== '' && password === ''
}

/** The settings for one SCIM server. Relative file names are resolved against the folder of the settings file. */
export type Config = z.infer<typeof single> & {
	readonly agentId: string
	/** Absent if the file has the settings of one server alone. */
	readonly name?: string
}

/** The settings of pins. */
export type PinSettings = z.infer<typeof pin>

/** The files of the pinned certificates: one, or two during a rotation. */
export const pinFiles = ({ certificateFile, pins = [] }: PinSettings): readonly string[] =>
	certificateFile === undefined ? pins : [certificateFile]

/** The settings of a file: one entry for each SCIM server, at least one. All of them have the same `admin`. */
export type AgentSettings = { readonly servers: readonly Config[]; readonly admin: Config['admin'] }

/** The names of all settings, for suggestions. */
const settingNames = [
	'relay',
	'credentials',
	'origin',
	'allow',
	'agentId',
	'concurrency',
	'namespace',
	'hybridConnection',
	'rendezvousSuffix',
	'audience',
	'caFile',
	'proxy',
	'proxyPasswordFile',
	'type',
	'keyName',
	'keyFile',
	'tenantId',
	'clientId',
	'certificateFile',
	'authority',
	'url',
	'tls',
	'mode',
	'serverName',
	'pins',
	'clientCertificate',
	'authorization',
	'tokenFile',
	'audit',
	'file',
	'megabytes',
	'keep',
	'admin',
	'port',
	'servers',
	'name',
]

/** Reads and checks a settings file. Throws a UsageError that names the invalid setting. */
export function readSettings(file: string): AgentSettings {
	const { servers, admin } = parsedSettings(file)
	const folder = dirname(resolve(file))
	const configs = servers.map(({ agentId, ...settings }) =>
		withFolder(
			{ ...settings, ...(admin && { admin }), agentId: agentId ?? defaultAgentId(settings.relay.hybridConnection) },
			folder,
		),
	)
	for (const { audit } of configs) refuseOpenFolder(file, folder, audit)
	refuseSharing(file, configs)
	return { servers: configs, admin }
}

/**
 * The settings of the server with this name; without a name, those of the only server. Throws a UsageError if no server has
 * the name, or if the settings have several servers and no name is given.
 */
export function readConfig(file: string, serverName?: string): Config {
	const { servers } = readSettings(file)
	const found = servers.filter((each) => serverName === undefined || each.name === serverName)
	const [config] = found
	if (config !== undefined && found.length === 1) return config
	const names = servers.map((each) => each.name ?? 'one without a name').join(', ')
	throw new UsageError(
		serverName === undefined ? `${file} has several servers` : `${file} has no server named ${serverName}`,
		{ hint: `Choose one with --server NAME: ${names}.` },
	)
}

type ParsedSettings = {
	readonly servers: readonly (z.infer<typeof server> & { readonly name?: string })[]
	readonly admin: Config['admin']
}

function parsedSettings(file: string): ParsedSettings {
	const text = readText(file, 'Check the path of the settings file: --config FILE.')
	if (/[\0\ufffd]/.test(text))
		throw new UsageError(`${file} is not UTF-8 text; it may be UTF-16`, {
			hint: '> and Out-File in PowerShell write UTF-16. Use Set-Content -Encoding utf8.',
		})
	// Notepad and PowerShell may write a byte order mark.
	const value = parse(text.replace(/^\ufeff/, ''), file)
	if (value instanceof Object && 'servers' in value) {
		const parsed = several.safeParse(value, { error: wording })
		if (!parsed.success) throw refusal(file, value, parsed.error.issues)
		return { servers: parsed.data.servers, admin: parsed.data.admin }
	}
	const parsed = single.safeParse(value, { error: wording })
	if (!parsed.success) throw refusal(file, value, parsed.error.issues)
	const { admin, ...settings } = parsed.data
	return { servers: [settings], admin }
}

/** The service may write to the folder of its audit log, and must not be able to replace its own settings. */
function refuseOpenFolder(file: string, folder: string, audit: Config['audit']): void {
	if (audit !== undefined && isWithin(folder, dirname(audit.file)))
		throw new UsageError(`${file}: audit.file must be in a folder of its own, not beside the settings`, {
			hint: 'Create a folder that the user of the agent may write, such as audit, and name audit/audit.log.',
		})
}

/** Two servers on one hybrid connection would each get some of the requests for the other. */
function refuseSharing(file: string, servers: readonly Config[]): void {
	for (const [index, one] of servers.entries())
		for (const other of servers.slice(0, index)) {
			const [path, hint] = sharedBy(one, other) ?? []
			if (path !== undefined && hint !== undefined)
				throw new UsageError(`${file}: servers.${index}.${path} is that of ${other.name}, too`, { hint })
		}
}

function sharedBy(one: Config, other: Config): readonly [string, string] | undefined {
	if (one.name === other.name) return ['name', 'Give each server a name of its own.']
	if (isSameConnection(one, other))
		return ['relay.hybridConnection', 'Each server needs a tenant and a hybrid connection of its own.']
	if (one.audit === undefined || one.audit.file !== other.audit?.file) return undefined
	const isAlike = one.audit.keep === other.audit.keep && one.audit.megabytes === other.audit.megabytes
	return isAlike ? undefined : ['audit.file', 'Name another file, or set the same megabytes and keep for both.']
}

/** Whether two servers have the same hybrid connection. */
export const isSameConnection = (one: Pick<Config, 'relay'>, other: Pick<Config, 'relay'>): boolean =>
	one.relay.namespace.toLowerCase() === other.relay.namespace.toLowerCase() &&
	one.relay.hybridConnection.toLowerCase() === other.relay.hybridConnection.toLowerCase()

/** Whether a folder is another one, or lies in it. Both paths are absolute. */
export function isWithin(folder: string, other: string): boolean {
	const path = relative(other, folder)
	return !isAbsolute(path) && path.split(sep)[0] !== '..'
}

/** Reads a file that the settings name. Throws a UsageError with `hint` if it cannot be read. */
export function readText(file: string, hint: string): string {
	try {
		return readFileSync(file, 'utf8')
	} catch (error) {
		throw new UsageError(`cannot read ${file}: ${fileReason(error)}`, { hint, cause: error })
	}
}

function parse(json: string, file: string): unknown {
	try {
		return JSON.parse(json)
	} catch (error) {
		const { message } = error as SyntaxError // sound: JSON.parse throws no other
		// Node from 22 on adds a line of its own.
		const [reason = '', position] = /^(.*?)(?: at position (\d+).*)?$/s.exec(message)?.slice(1) ?? []
		const line = position === undefined ? '' : `, line ${json.slice(0, Number(position)).split('\n').length}`
		throw new UsageError(`${file}${line} is not JSON: ${reason}`, {
			hint: 'Look for an extra or missing comma or bracket. In paths, write \\\\ instead of \\.',
			cause: error,
		})
	}
}

/** Reports an unknown setting first: a misspelt setting is also missing under its correct name. */
function refusal(file: string, value: unknown, issues: readonly z.core.$ZodIssue[]): UsageError {
	const issue = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]
	const path = issue?.path ?? []
	if (issue?.code !== 'unrecognized_keys')
		return new UsageError(`${file}: ${path.join('.') || 'the file'}${problemOf(issue, valueAt(value, path))}`, {
			hint: 'See the settings in docs/relay-reference.md.',
		})
	const [key = ''] = issue.keys
	const guess = nearest(key, settingNames)
	const hint = guess === undefined ? 'Remove it.' : `Did you mean ${guess}?`
	return new UsageError(`${file}: ${[...path, key].join('.')} is an unknown setting`, {
		hint: guess === key ? misplaced(key, path) : hint,
	})
}

/** The hint for a setting that exists in another place. */
function misplaced(key: string, path: readonly PropertyKey[]): string {
	if (key === 'name') return 'A name is for the entries of "servers" alone.'
	if (key === 'admin') return 'All servers share "admin". Write it beside "servers".'
	if (path.length === 0) return 'Beside "servers" there is only "admin". Move the setting into each of the servers.'
	return 'See the settings in docs/relay-reference.md.'
}

function problemOf(issue: z.core.$ZodIssue | undefined, value: unknown): string {
	if (value === undefined) return ' is missing'
	// For a discriminated union, zod lists the allowed values.
	if (issue === undefined || !('options' in issue) || !Array.isArray(issue.options)) return `: ${issue?.message}`
	return `: ${JSON.stringify(value)} must be one of ${issue.options.join(', ')}`
}

const valueAt = (value: unknown, path: readonly PropertyKey[]): unknown =>
	path.reduce<unknown>((inner, key) => (inner instanceof Object ? Reflect.get(inner, key) : undefined), value)

/** An id that stays the same across starts on one machine, so that the service and the logs recognize the agent. */
function defaultAgentId(hybridConnection: string): string {
	const hash = createHash('sha256').update(`${hostname()}\n${hybridConnection}`).digest('hex')
	return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-4${hash.slice(13, 16)}-8${hash.slice(17, 20)}-${hash.slice(20, 32)}`
}

/** Resolves file names against the folder. Every setting whose name ends in `File` is a file name, and `pins` has some. */
function withFolder<T>(settings: T, folder: string): T {
	const text = JSON.stringify(settings)
	return JSON.parse(text, (name: string, value: unknown) => {
		if (name === 'pins' && Array.isArray(value)) return value.map((file) => resolve(folder, file))
		return /file$/i.test(name) && typeof value === 'string' ? resolve(folder, value) : value
	})
}
