import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { ServerOptions } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Agent, startAgent } from '../../../agent/agent.ts'
import { type Config, readConfig } from '../../../agent/config.ts'
import {
	type RelayedAnswer,
	type RelayedRequest,
	relaySender,
	type SenderOptions,
	type SendRelayed,
} from '../../../functions/relay/sender.ts'
import type { Clock } from '../../../shared/relay/clock.ts'
import { sasToken } from '../../../shared/relay/sas.ts'
import type { ScimError } from '../../../shared/scim/error.ts'
import { authority } from './certificates.ts'
import { type Journal, journal } from './journal.ts'
import { type Origin, startOrigin } from './origin.ts'
import { scaledClock } from './scaled-clock.ts'
import { type StandIn, startStandIn } from './stand-in.ts'

export const ca = authority()
export const certificate = ca.issue(['DNS:localhost', 'IP:127.0.0.1'])

/** A minute in three seconds, as for the service, agents and senders. */
export const clock = scaledClock(20)

type Settings = { readonly [name: string]: unknown }

export type Lab = {
	readonly standIn: StandIn
	readonly origin: Origin
	/** The authority that vouches for all of the lab's servers. */
	readonly ca: string
	/** What the agents logged. */
	readonly log: Journal
	/** Writes a file into the folder of the configuration and returns its whole name. */
	write(name: string, text: string): string
	config(more?: Settings): Config
	/** Starts an agent and waits until it listens. */
	agent(more?: Settings): Promise<Agent>
	/** Starts an agent that may never come to listen. */
	start(more?: Settings): Agent
	sender(more?: Partial<SenderOptions>): SendRelayed
	/** Lets time pass for agents and senders, but not for the service. */
	clockForward(milliseconds: number): void
	stop(): Promise<void>
}

type LabOptions = {
	readonly originOptions?: ServerOptions
	/** The clock of the service; that of the machine for agents in processes of their own. */
	readonly serviceClock?: Clock
	/** How many times as fast the clock of agents and senders is as that of the machine. */
	readonly factor?: number
	/** The service lets pass what Microsoft's library does though the documents have it otherwise. */
	readonly isLenient?: boolean
}

/** A stand-in, a SCIM server and what agents and senders need to talk to them. */
export async function startLab({
	originOptions = {},
	factor = 20,
	serviceClock = scaledClock(factor),
	isLenient = false,
}: LabOptions = {}): Promise<Lab> {
	const folder = mkdtempSync(join(tmpdir(), 'rollcall-relay-'))
	const standIn = await startStandIn({ certificate, clock: serviceClock, isLenient })
	const origin = await startOrigin({ ...certificate, ...originOptions })
	const log = journal()
	const own = scaledClock(factor)
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
		const agent = startAgent(config(more), { clock: own, log: log.write, random: () => 0.5 })
		agents.push(agent)
		return agent
	}
	return {
		standIn,
		origin,
		ca: ca.cert,
		log,
		write,
		clockForward: own.forward,
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
					sasToken({ uri: 'http://localhost/demo', keyName: 'send', key: 'sendkey', expires: own.now() + 3_600_000 }),
				ca: ca.cert,
				clock: own,
				...more,
			}),
		stop: async () => {
			await Promise.all([...agents.map((agent) => agent.drain()), standIn.stop(), origin.stop()])
			rmSync(folder, { recursive: true })
		},
	}
}

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

/** An answer, or the error in its place, as a client would see it. */
export const outcome = (answer: Promise<RelayedAnswer>) =>
	answer.then(
		({ status, body }) => ({ status, body: body.length > 0 ? JSON.parse(body.toString()) : undefined }),
		(error: ScimError) => ({ status: error.status, detail: error.message, headers: error.headers }),
	)
