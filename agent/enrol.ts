import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
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
import { readSecret } from './secret-file.ts'

type EnrolOptions = {
	/** What was read from standard input. */
	readonly text: string
	/** The settings file. It is made if it is missing. */
	readonly file: string
	/** The URL of the SCIM server, for new settings. */
	readonly origin?: string | undefined
	readonly proxy?: string | undefined
	readonly caFile?: string | undefined
	/** The name of this machine. */
	readonly host: string
	readonly clock: Clock
}

export type EnrolmentResult = EnrolAnswer & {
	readonly tenant: string
	/** The file with the agent's key. */
	readonly keyFile: string
}

/**
 * Exchanges a code for the registration of a key of this machine, and writes the settings. After a lost answer, the same
 * code can be given again on this machine. Throws a UsageError if there is no code or the settings cannot be read.
 */
export async function enrolAgent({ text, file, host, clock, ...chosen }: EnrolOptions): Promise<EnrolmentResult> {
	const code = codeIn(text)
	const settings = settingsIn(file)
	const relay = { ...settings.relay, ...proxyOf(chosen) }
	const folder = dirname(resolve(file))
	const keyFile = join(folder, `agent-${fingerprintOf(code)}.key`)
	const isNew = !existsSync(keyFile)
	const key = keyIn(keyFile)
	const connection = { url: code.url, relay: connectionIn(relay, folder), clock }
	const answer = await exchange(connection, { code, key, host }).catch((error: unknown) => {
		// After a lost answer the key may be enrolled. After a refusal it is not.
		if (isNew && isRefusal(error)) rmSync(keyFile)
		throw error
	})
	const next = enrolledSettings({ ...settings, relay }, { answer, url: code.url, keyFile: basename(keyFile) }, chosen)
	write(file, next)
	removeOld(settings, { folder, keyFile })
	return { ...answer, tenant: tenantIn(code.url), keyFile }
}

function codeIn(text: string): EnrolmentCode {
	const code = readCode(text)
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

/** The settings as they are written. Whether the rest of them is right is for the other commands. */
function settingsIn(file: string): RawSettings {
	if (!existsSync(file)) return {}
	const parsed = settingsShape.safeParse(jsonIn(file))
	if (parsed.success && !('servers' in parsed.data)) return parsed.data
	throw new UsageError(`${file} is not the settings of one server`, {
		hint: 'Name another file, and move what it gets to your settings: --config FILE.',
	})
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
	const request = { ...common, secret: code.secret, publicKey, host: host.slice(0, 255) || 'unknown' }
	return { ...request, proof: signProof(enrolProof(tenantIn(code.url), request), key) }
}

const jwk = z.object({ kty: z.literal('EC'), crv: z.literal('P-256'), x: z.string(), y: z.string() })

const publicKeyOf = (key: KeyObject): AgentPublicKey => jwk.parse(createPublicKey(key).export({ format: 'jwk' }))

type NewCredentials = { readonly answer: EnrolAnswer; readonly url: string; readonly keyFile: string }

/** The settings of one server with the credentials of an enrolment. What the administrator has set besides stays. */
function enrolledSettings(
	settings: RawSettings,
	{ answer, url, keyFile }: NewCredentials,
	{ origin }: Pick<EnrolOptions, 'origin'>,
): Readonly<Record<string, unknown>> {
	return {
		origin: {
			url: origin ?? 'https://localhost:11015/scim',
			authorization: { type: 'bearer', tokenFile: 'origin.token' },
		},
		...settings,
		relay: { ...settings.relay, ...answer.relay },
		credentials: { type: 'enrolled', url, keyFile },
		agentId: answer.agent,
	}
}

/** A reader sees either the old settings or the new ones. */
function write(file: string, settings: unknown): void {
	const draft = `${file}.new`
	writeFileSync(draft, `${JSON.stringify(settings, null, 2)}\n`)
	renameSync(draft, file)
}

type KeyPlace = { readonly folder: string; readonly keyFile: string }

/** Removes the key that the settings named before, if an enrolment has made it. */
function removeOld({ credentials }: RawSettings, { folder, keyFile }: KeyPlace): void {
	const old = resolve(folder, credentials?.keyFile ?? keyFile)
	if (credentials?.type === 'enrolled' && old !== keyFile && /^agent-[0-9a-f]{12}\.key$/.test(basename(old)))
		rmSync(old, { force: true })
}
