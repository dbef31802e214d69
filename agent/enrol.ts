import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { chmodSync, chownSync, existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import * as z from 'zod'
import { UsageError } from '../shared/cli/usage-error.ts'
import { version } from '../shared/cli/version.ts'
import type { Clock } from '../shared/relay/clock.ts'
import {
	type AgentPublicKey,
	type EnrolAnswer,
	type EnrolmentCode,
	enrolAnswer,
	enrolmentPaths,
	enrolProof,
	readCode,
	readOfflineCode,
	secretDigest,
	signProof,
} from '../shared/relay/enrolment.ts'
import {
	AgentRemovedError,
	type AppConnection,
	answerIn,
	askApp,
	refusalIn,
	secondsOf,
	TokenRefusedError,
	tenantIn,
} from './enrolled.ts'
import { lockEnrolment } from './enrolment-lock.ts'
import { readSecret } from './secret-file.ts'

type EnrolOptions = {
	/** What was read from standard input. */
	readonly text: string
	/** The settings file. It is made if it is missing. */
	readonly file: string
	/** The URL of the SCIM server, for new settings. */
	readonly origin?: string | undefined
	/** The name of the server to enrol, if the settings have several. */
	readonly server?: string | undefined
	/** Whether the code has a key of Azure Relay, for a machine that cannot reach the app. */
	readonly isOffline?: boolean
	readonly proxy?: string | undefined
	readonly caFile?: string | undefined
	/** The name of this machine. */
	readonly host: string
	readonly clock: Clock
}

export type EnrolmentResult = Pick<EnrolAnswer, 'agent' | 'relay'> & {
	/** The file with the agent's key. */
	readonly keyFile: string
	/** Of a key that was enrolled. */
	readonly enrolled?: { readonly tenant: string; readonly fingerprint: string }
}

/**
 * Exchanges a code for the registration of a key of this machine, and writes the settings. After a lost answer, the same
 * code can be given again on this machine. Throws a UsageError if there is no code, if the settings cannot be read, or if
 * another process enrols in the same folder.
 */
export async function enrolAgent(options: EnrolOptions): Promise<EnrolmentResult> {
	const release = lockEnrolment(dirname(resolve(options.file)))
	try {
		return await enrolLocked(options)
	} finally {
		release()
	}
}

async function enrolLocked({ text, file, host, clock, ...chosen }: EnrolOptions): Promise<EnrolmentResult> {
	if (chosen.isOffline) return writeOffline(text, file, chosen)
	const code = codeIn(text)
	const { settings, withServer } = settingsIn(file, chosen.server)
	const relay = { ...settings.relay, ...proxyOf(chosen) }
	const folder = dirname(resolve(file))
	const draft = join(folder, `enrol-${fingerprintOf(code)}.key`)
	const isNew = !existsSync(draft)
	const key = keyIn(draft)
	const connection = { url: code.url, relay: connectionIn(relay, folder), clock }
	const answer = await exchange(connection, { code, key, host }).catch((error: unknown) => {
		// After a lost answer the key may be enrolled. After a refusal it is not.
		if (isNew && isRefusal(error)) rmSync(draft)
		throw error
	})
	const keyFile = keyFileFor(answer.relay, folder)
	const credentials = { type: 'enrolled', url: code.url, keyFile: basename(keyFile) }
	write(file, withServer(newSettings({ ...settings, relay }, { ...answer, credentials }, chosen)))
	replace(keyFile, draft)
	const { agent, relay: place, fingerprint } = answer
	return { agent, relay: place, keyFile, enrolled: { tenant: tenantIn(code.url), fingerprint } }
}

/** Writes what the code holds, for a machine that cannot reach the app. Nothing is sent. */
function writeOffline(text: string, file: string, chosen: Omit<EnrolOptions, 'text' | 'file' | 'host' | 'clock'>) {
	const code = readOfflineCode(text)
	if (code === undefined)
		throw new UsageError('standard input has no code for --offline', {
			hint: 'Give it the word that rollcall agent add --offline has printed: it begins with rc1o.',
		})
	const { settings, withServer } = settingsIn(file, chosen.server)
	const { agent, namespace, hybridConnection, keyName, key } = code
	const folder = dirname(resolve(file))
	const relay = { namespace, hybridConnection }
	const keyFile = keyFileFor(relay, folder)
	const draft = `${keyFile}.new`
	rmSync(draft, { force: true })
	writeFileSync(draft, `${key}\n`, { mode: 0o600, flag: 'wx' })
	const credentials = { type: 'sas', keyName, keyFile: basename(keyFile) }
	const kept = { ...settings, relay: { ...settings.relay, ...proxyOf(chosen) } }
	write(file, withServer(newSettings(kept, { agent, relay, credentials }, chosen)))
	replace(keyFile, draft)
	return { agent, relay, keyFile }
}

function codeIn(text: string): EnrolmentCode {
	const code = readCode(text)
	if (code === undefined && readOfflineCode(text) !== undefined)
		throw new UsageError('the code is for a machine that cannot reach Rollcall', {
			hint: 'Repeat the command with --offline.',
		})
	if (code === undefined)
		throw new UsageError('standard input has no code', {
			hint: 'Give it the word that rollcall agent add has printed: it begins with rc1. and is used once.',
		})
	if (/^https:/.test(code.url) || /^http:\/\/(127\.0\.0\.1|localhost)[:/]/.test(code.url)) return code
	throw new UsageError(`the code is for ${new URL(code.url).origin}, which is not https`, {
		hint: 'Ask for a code of a deployment in Azure.',
	})
}

/** One key for each code: the same code has the same key again, and another code another key. */
const fingerprintOf = ({ secret }: EnrolmentCode): string =>
	Buffer.from(secretDigest(secret), 'base64url').toString('hex').slice(0, 12)

/** The key in the file. A missing file is made; only its owner may read it. */
function keyIn(file: string): KeyObject {
	if (existsSync(file)) return createPrivateKey(readSecret(file))
	const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
	writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600, flag: 'wx' })
	return privateKey
}

const settingsShape = z.looseObject({
	relay: z.looseObject({}).optional(),
	credentials: z.looseObject({ keyFile: z.string().optional() }).optional(),
})

type RawSettings = z.infer<typeof settingsShape>

const severalShape = z.looseObject({ servers: z.array(settingsShape.extend({ name: z.string().optional() })) })

/** The settings of one server as they are written, and the whole file with others in their place. */
type SettingsPlace = {
	readonly settings: RawSettings
	readonly withServer: (settings: unknown) => unknown
}

/** The other commands check the rest of the settings. */
function settingsIn(file: string, server: string | undefined): SettingsPlace {
	const written = existsSync(file) ? jsonIn(file) : {}
	const several = severalShape.safeParse(written)
	if (several.success) return serverIn(file, several.data, server)
	const single = settingsShape.safeParse(written)
	if (single.success && !('servers' in single.data) && server === undefined)
		return { settings: single.data, withServer: (settings) => settings }
	throw new UsageError(
		server === undefined ? `${file} is not settings of the agent` : `${file} has no server named ${server}`,
		{ hint: 'See the settings in docs/relay-reference.md.' },
	)
}

function serverIn(file: string, whole: z.infer<typeof severalShape>, name: string | undefined): SettingsPlace {
	const found = whole.servers.filter((each) => name === undefined || each.name === name)
	const [settings] = found
	if (settings === undefined || found.length > 1)
		throw new UsageError(name === undefined ? `${file} has several servers` : `${file} has no server named ${name}`, {
			hint: `Choose one with --server NAME: ${whole.servers.map((each) => each.name).join(', ')}.`,
		})
	const withServer = (next: unknown) => ({
		...whole,
		servers: whole.servers.map((each) => (each === settings ? next : each)),
	})
	return { settings, withServer }
}

function jsonIn(file: string): unknown {
	try {
		return JSON.parse(readFileSync(file, 'utf8').replace(/^\ufeff/, ''))
	} catch (cause) {
		throw new UsageError(`cannot read ${file} as JSON`, {
			hint: 'Repair it, or name another file: --config FILE.',
			cause,
		})
	}
}

const proxyOf = ({ proxy, caFile }: Pick<EnrolOptions, 'proxy' | 'caFile'>) => ({
	...(proxy !== undefined && { proxy }),
	...(caFile !== undefined && { caFile: resolve(caFile) }),
})

const connectionShape = z.object({
	proxy: z.string().optional(),
	proxyPasswordFile: z.string().optional(),
	caFile: z.string().optional(),
})

function connectionIn(relay: Readonly<Record<string, unknown>>, folder: string): AppConnection['relay'] {
	const { proxy, proxyPasswordFile, caFile } = connectionShape.parse(relay)
	return {
		...{ namespace: '', hybridConnection: '', rendezvousSuffix: '', audience: '' },
		...(proxy !== undefined && { proxy }),
		...(proxyPasswordFile !== undefined && { proxyPasswordFile: resolve(folder, proxyPasswordFile) }),
		...(caFile !== undefined && { caFile: resolve(folder, caFile) }),
	}
}

const isRefusal = (error: unknown): boolean => error instanceof TokenRefusedError || error instanceof AgentRemovedError

type EnrolmentDraft = { readonly code: EnrolmentCode; readonly key: KeyObject; readonly host: string }

async function exchange(connection: AppConnection, draft: EnrolmentDraft): Promise<EnrolAnswer> {
	const { clock } = connection
	const ask = (now: number) => askApp(connection, enrolmentPaths.enrol, bodyOf(draft, now))
	const reply = await ask(clock.now())
	const time = refusalIn(reply)?.time
	return answerIn(time === undefined ? reply : await ask(time * 1000), enrolAnswer, connection)
}

function bodyOf({ code, key, host }: EnrolmentDraft, now: number) {
	const publicKey = publicKeyOf(key)
	const common = { v: 1, agent: code.agent, version, issued: secondsOf(now) } as const
	const request = {
		...common,
		secret: code.secret,
		publicKey,
		host: host.replaceAll(/[\p{Cc}\p{Cf}]/gu, '').slice(0, 255) || 'unknown',
	}
	return { ...request, proof: signProof(enrolProof(tenantIn(code.url), request), key) }
}

const jwk = z.object({ kty: z.literal('EC'), crv: z.literal('P-256'), x: z.string(), y: z.string() })

const publicKeyOf = (key: KeyObject): AgentPublicKey => jwk.parse(createPublicKey(key).export({ format: 'jwk' }))

type NewCredentials = Pick<EnrolAnswer, 'agent' | 'relay'> & { readonly credentials: unknown }

/** The settings of one server with new credentials. What the administrator has set besides stays. */
function newSettings(
	settings: RawSettings,
	{ agent, relay, credentials }: NewCredentials,
	{ origin }: Pick<EnrolOptions, 'origin'>,
): Readonly<Record<string, unknown>> {
	return {
		origin: {
			url: origin ?? 'https://localhost:11015/scim',
			authorization: { type: 'bearer', tokenFile: 'origin.token' },
		},
		...settings,
		relay: { ...settings.relay, ...relay },
		credentials,
		agentId: agent,
	}
}

/**
 * The name stays the same for later codes, because the unit of a service names the file. It has no character that leads to
 * another folder, also on Windows.
 */
const keyFileFor = ({ hybridConnection }: EnrolAnswer['relay'], folder: string): string =>
	join(folder, `agent-${hybridConnection.replaceAll(/[^\w.-]/g, '-')}.key`)

/** New settings can be read by everyone, because they have no secret. */
function write(file: string, settings: unknown): void {
	const draft = `${file}.new`
	writeFileSync(draft, `${JSON.stringify(settings, null, 2)}\n`, { mode: 0o600 })
	if (!existsSync(file)) chmodSync(draft, 0o644)
	replace(file, draft)
}

/** A reader sees either the old file or the new one. Owner and mode of the old one stay. */
function replace(file: string, draft: string): void {
	if (existsSync(file)) {
		const { uid, gid, mode } = statSync(file)
		if (process.platform !== 'win32') chownSync(draft, uid, gid)
		chmodSync(draft, mode)
	}
	renameSync(draft, file)
}
