import { createPrivateKey, type KeyObject } from 'node:crypto'
import { UsageError } from '../shared/cli/usage-error.ts'
import { version } from '../shared/cli/version.ts'
import { jsonIn } from '../shared/json-in.ts'
import type { Clock } from '../shared/relay/clock.ts'
import {
	enrolmentPaths,
	enrolmentRefusal,
	type ListenRequest,
	listenAnswer,
	listenProof,
	listenTokenRenewal,
	signProof,
} from '../shared/relay/enrolment.ts'
import type { RelayToken } from '../shared/relay/sas.ts'
import type { TokenSource } from '../shared/relay/token-cache.ts'
import type { ToldVersions } from '../shared/relay/versions.ts'
import { type Config, readText } from './config.ts'
import { proxyAgent } from './proxy.ts'
import { requestText, type TextResponse } from './request-text.ts'
import { readSecret } from './secret-file.ts'

/** The token service, or the app, refuses this agent. */
export class TokenRefusedError extends Error {
	override readonly name = 'TokenRefusedError'
}

/** An administrator has removed this agent. Only the app says so, to an agent that has proved itself. */
export class AgentRemovedError extends Error {
	override readonly name = 'AgentRemovedError'
}

export type ListenContext = {
	/** Whether Azure Relay has refused the last token. */
	readonly isRefused?: () => boolean
	/** Takes what the app says about versions. */
	readonly noteVersions?: (told: ToldVersions) => void
}

/** Where and by what the app is asked. */
export type AppConnection = {
	/** The Tenant URL. */
	readonly url: string
	readonly relay: Config['relay']
	readonly clock: Clock
}

type EnrolledCredentials = Extract<Config['credentials'], { type: 'enrolled' }>

/** Asks the app for listen tokens, with proofs by the agent's own key. */
export function enrolledAgent(
	{ credentials, agentId, relay }: Pick<Config, 'agentId' | 'relay'> & { readonly credentials: EnrolledCredentials },
	clock: Clock,
	{ isRefused = () => false, noteVersions = () => {} }: ListenContext,
): TokenSource {
	const connection = { url: credentials.url, relay, clock }
	const tenant = tenantIn(credentials.url)
	/** The clock of the cloud may be ahead, in milliseconds. */
	let ahead = 0

	const requestOf = (): ListenRequest => {
		const request = { v: 1, agent: agentId, version, issued: secondsOf(clock.now() + ahead) } as const
		const proof = signProof(listenProof(tenant, request), readKey(credentials.keyFile))
		return { ...request, proof, ...(isRefused() && { isRefused: true }) }
	}

	return async () => {
		let reply = await askApp(connection, enrolmentPaths.token, requestOf())
		const time = refusalIn(reply)?.time
		if (time !== undefined) {
			ahead = time * 1000 - clock.now()
			reply = await askApp(connection, enrolmentPaths.token, requestOf())
		}
		const { token, expiresIn, rollcall } = answerIn(reply, listenAnswer, connection)
		noteVersions(rollcall)
		return tokenOf(token, expiresIn, clock)
	}
}

const tokenOf = (token: string, expiresIn: number, clock: Clock): RelayToken => ({
	token,
	expiresOnTimestamp: clock.now() + expiresIn * 1000,
	renewOnTimestamp: clock.now() + Math.min(listenTokenRenewal, (expiresIn * 1000) / 2),
})

export const secondsOf = (milliseconds: number): number => Math.floor(milliseconds / 1000)

/** The last part of a Tenant URL. */
export const tenantIn = (url: string): string => url.split('/').at(-1) ?? ''

/** The agent's key. Throws a UsageError if the file is missing, is readable by others, or is no key. */
function readKey(file: string): KeyObject {
	const pem = readSecret(file)
	try {
		return createPrivateKey(pem)
	} catch (cause) {
		const hint = 'Enrol again: rollcall agent rotate prints a code for rollcall-relay enrol.'
		throw new UsageError(`${file} is not a private key`, { hint, cause })
	}
}

/** Sends JSON to the app, by the proxy and the authorities of the settings. */
export const askApp = ({ url, relay, clock }: AppConnection, path: string, body: unknown): Promise<TextResponse> =>
	requestText(`${url}/${path}`, {
		method: 'POST',
		headers: { 'Content-Type': 'application/json' },
		body: JSON.stringify(body),
		agent: proxyAgent(relay, clock),
		ca: relay.caFile === undefined ? undefined : readText(relay.caFile, 'relay.caFile must be a PEM file.'),
	})

/** What the app has refused; undefined for an answer, and for a refusal of something in between, such as a gateway. */
export const refusalIn = ({ status, text }: TextResponse) =>
	status === 200 ? undefined : enrolmentRefusal.safeParse(jsonIn(text)).data

type AnswerShape<T> = { safeParse(value: unknown): { readonly data?: T | undefined } }

/**
 * The answer of the app.
 *
 * @throws AgentRemovedError, and TokenRefusedError if only an administrator can help. Error if another attempt may help
 */
export function answerIn<T>(reply: TextResponse, shape: AnswerShape<T>, { url }: Pick<AppConnection, 'url'>): T {
	const { status, text } = reply
	const { data } = status === 200 ? shape.safeParse(jsonIn(text)) : { data: undefined }
	if (data !== undefined) return data
	const { host } = new URL(url)
	const refusal = refusalIn(reply)
	if (refusal === undefined) throw new Error(`${host} answered ${status}, and not as Rollcall does`)
	const message = `${host} answers: ${refusal.error_description}`
	if (refusal.error === 'agent_removed') throw new AgentRemovedError(message)
	throw status < 500 ? new TokenRefusedError(message) : new Error(message)
}
