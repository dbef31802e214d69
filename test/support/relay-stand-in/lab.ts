import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { ServerOptions } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Agent, startAgent } from '../../../agent/agent.ts'
import { type Config, readConfig } from '../../../agent/config.ts'
import type { ServerState } from '../../../agent/fleet.ts'
import {
	type RelayedAnswer,
	type RelayedRequest,
	type RelaySender,
	relaySender,
	type SenderOptions,
} from '../../../functions/relay/sender.ts'
import type { Clock } from '../../../shared/relay/clock.ts'
import { sasToken } from '../../../shared/relay/sas.ts'
import type { ScimError } from '../../../shared/scim/error.ts'
import { authority } from './certificates.ts'
import { type Journal, journal } from './journal.ts'
import { type Origin, startOrigin } from './origin.ts'
import { type ScaledClock, scaledClock } from './scaled-clock.ts'
import { type StandIn, type StandInOptions, startStandIn } from './stand-in.ts'

export const ca = authority()
export const certificate = ca.issue(['DNS:localhost', 'IP:127.0.0.1'])

/** A clock like that of the service, agents and senders: a minute passes in three seconds. */
export const clock = scaledClock(20)

type Settings = { readonly [name: string]: unknown }

export type Lab = {
	readonly standIn: StandIn
	readonly origin: Origin
	/** The authority that issued the certificates of all servers of the lab, in PEM. */
	readonly ca: string
	/** The log of the agents. */
	readonly log: Journal
	/** Writes a file to the folder of the settings, and returns its path. */
	write(name: string, text: string): string
	config(more?: Settings): Config
	/** Starts an agent, and waits until it listens. */
	agent(more?: Settings): Promise<Agent>
	/** Starts an agent without waiting until it listens. */
	start(more?: Settings): Agent
	sender(more?: Partial<SenderOptions>): RelaySender
	/** Advances the clock of agents and senders, but not of the service. */
	clockForward(milliseconds: number): void
	stop(): Promise<void>
}

type LabOptions = {
	readonly originOptions?: ServerOptions
	/** The clock of the service. Agents in their own processes need the clock of the machine. */
	readonly serviceClock?: Clock
	/** One clock for the service, agents and senders. */
	readonly commonClock?: ScaledClock
	/** Speed of the clock of agents and senders, relative to the clock of the machine. */
	readonly factor?: number
	/** The key rules of the service, if they are not the usual ones. */
	readonly rules?: StandInOptions['rules']
	/** The service tolerates deviations of Microsoft's library from the documents. */
	readonly isLenient?: boolean
	/** Milliseconds for which the service still accepts an expired token. */
	readonly grace?: number
}

/** Starts a stand-in and a SCIM server, and prepares settings for agents and senders. */
export async function startLab({
	originOptions = {},
	factor = 20,
	commonClock,
	serviceClock = commonClock ?? scaledClock(factor),
	isLenient = false,
	grace = 0,
	rules,
}: LabOptions = {}): Promise<Lab> {
	const folder = mkdtempSync(join(tmpdir(), 'rollcall-relay-'))
	const standIn = await startStandIn({ certificate, clock: serviceClock, isLenient, grace, ...(rules && { rules }) })
	const origin = await startOrigin({ ...certificate, ...originOptions })
	const log = journal()
	const agentClock = commonClock ?? scaledClock(factor)
	const agents: Agent[] = []
	const write = (name: string, text: string) => {
		const file = join(folder, name)
		writeFileSync(file, text)
		chmodSync(file, 0o600)
		return file
	}
	write('listen.key', 'listenkey\n')
	write('origin.token', 'origin-secret\n')
	write('ca.pem', ca.cert)
	const config = (more: Settings = {}) =>
		readConfig(write('relay.json', JSON.stringify({ ...settings(standIn, origin), ...more })))
	const start = (more: Settings = {}) => {
		const agent = startAgent(config(more), { clock: agentClock, log: log.write, random: () => 0.5 })
		agents.push(agent)
		return agent
	}
	return {
		standIn,
		origin,
		ca: ca.cert,
		log,
		write,
		clockForward: agentClock.forward,
		config,
		start,
		agent: async (more) => {
			const agent = start(more)
			await agent.online
			return agent
		},
		sender: (more) =>
			relaySender({
				namespace: standIn.host,
				hybridConnection: 'demo',
				token: async () =>
					sasToken({
						uri: 'http://localhost/demo',
						keyName: 'send',
						key: 'sendkey',
						expires: agentClock.now() + 3_600_000,
					}),
				ca: ca.cert,
				clock: agentClock,
				...more,
			}),
		stop: async () => {
			await Promise.all([...agents.map((agent) => agent.drain()), standIn.stop(), origin.stop()])
			rmSync(folder, { recursive: true })
		},
	}
}

/** The only server of the settings, with this agent. None before an agent starts. */
export const serversWith = (config: Config, agent: Agent | undefined): readonly ServerState[] =>
	agent === undefined ? [] : [{ config, agent, refusal: undefined }]

/** Settings as an administrator would write them. */
export const settings = (standIn: { host: string }, origin: { port: number }) => ({
	relay: { namespace: standIn.host, hybridConnection: 'demo', caFile: 'ca.pem' },
	credentials: { type: 'sas', keyName: 'listen', keyFile: 'listen.key' },
	origin: {
		url: `https://localhost:${origin.port}/scim`,
		tls: { mode: 'ca', caFile: 'ca.pem' },
		authorization: { type: 'bearer', tokenFile: 'origin.token' },
	},
	agentId: '11111111-1111-4111-8111-111111111111',
})

export const request = (more: Partial<RelayedRequest> = {}): RelayedRequest => ({
	method: 'GET',
	path: '/Users',
	headers: new Headers(),
	requestId: 'request-1',
	publicBase: 'https://rollcall.test/scim/demo',
	...more,
})

/** The answer or the error as a client would see it. */
export const outcome = (answer: Promise<RelayedAnswer>) =>
	answer.then(
		({ status, body }) => ({ status, body: body.length > 0 ? JSON.parse(body.toString()) : undefined }),
		(error: ScimError) => ({ status: error.status, detail: error.message, headers: error.headers }),
	)
