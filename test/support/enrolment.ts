import { createPrivateKey, generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto'
import { afterAll } from 'vitest'
import { type RequestEvent, respondWith } from '../../functions/respond.ts'
import { createServices } from '../../functions/services.ts'
import { type RunningServer, startServer } from '../../local/server.ts'
import { parseAgents, withNewAgent, withNewCode, withoutAgent } from '../../shared/relay/agent-list.ts'
import {
	type AgentPublicKey,
	type EnrolmentCode,
	enrolProof,
	listenProof,
	signProof,
} from '../../shared/relay/enrolment.ts'
import { readAgents, updateAgents } from '../../shared/storage/agents.ts'
import { connectTables } from '../../shared/storage/table/tables.ts'
import type { Tenant } from '../../shared/tenants/tenants.ts'
import { useAzurite } from './azurite.ts'
import { type FakeClock, fakeClock } from './fake-clock.ts'
import { useManagedIdentity } from './managed-identity.ts'
import { createMeter, type Meter } from './meter.ts'
import { never, noFold } from './never.ts'

/** The keys of Azure Relay, as Azure Resource Manager gives them to the app. */
export type RelayKeys = {
	primaryKey: string
	secondaryKey: string
	/** Every address that the app has asked. */
	readonly asked: string[]
	/** A status instead of the keys. */
	status: number
}

const management = 'https://management.azure.com'
export const relayResource = `${management}/subscriptions/s/resourceGroups/g/providers/Microsoft.Relay/namespaces/contoso`

const newRelayKeys = (): RelayKeys => ({
	primaryKey: 'primary-1',
	secondaryKey: 'secondary-1',
	asked: [],
	status: 200,
})

const managementOf =
	(keys: RelayKeys): typeof fetch =>
	async (input, { method, headers } = {}) => {
		const authorization = new Headers(headers).get('authorization')
		keys.asked.push(`${method} ${String(input)} ${authorization}`)
		const { primaryKey, secondaryKey, status } = keys
		return Response.json({ primaryKey, secondaryKey, keyName: 'rollcall-agents' }, { status })
	}

export type EnrolmentReply = {
	readonly status: number
	readonly headers: Headers
	// biome-ignore lint/suspicious/noExplicitAny: tests read answers of every shape
	readonly body: any
}

/** A process of the app with a new tenant of mode relay, on a clock that the test moves. */
export type EnrolmentHost = {
	readonly name: string
	readonly tenant: Tenant
	/** The Tenant URL. */
	readonly url: string
	readonly clock: FakeClock
	readonly keys: RelayKeys
	readonly meter: Meter
	readonly events: readonly RequestEvent[]
	/** While the app is away, or its answers are lost, a gateway answers in its place. */
	readonly faults: { isAway: boolean; losesAnswer: boolean }
	/** Adds an agent, as `rollcall agent add` does. */
	add(): Promise<EnrolmentCode>
	/** Lets an agent enrol with another key. */
	addCode(agent: string): Promise<EnrolmentCode>
	remove(agent: string): Promise<void>
	/** Renews a key of Azure Relay and signs with it, as `rollcall agent rotate` does. */
	rotate(key: string): Promise<void>
	/** The stored agents. */
	stored(): Promise<string>
	post(path: string, body: unknown, url?: string): Promise<EnrolmentReply>
}

export type TestAgent = {
	readonly privateKey: KeyObject
	readonly publicKey: AgentPublicKey
	/** The body of a request to enrol with a code. */
	enrol(code: EnrolmentCode, more?: Record<string, unknown>): Record<string, unknown>
	/** The body of a request for a listen token. */
	listen(agent: string, more?: Record<string, unknown>): Record<string, unknown>
}

/** A machine with a key of its own. */
export function newAgent(tenant: string, now: () => number): TestAgent {
	const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
	const publicKey = pair.publicKey.export({ format: 'jwk' }) as AgentPublicKey // sound: a key on P-256
	const privateKey = createPrivateKey(pair.privateKey.export({ type: 'pkcs8', format: 'pem' }))
	const common = () => ({ v: 1 as const, version: '0.2.0', issued: Math.floor(now() / 1000) })
	return {
		privateKey,
		publicKey,
		enrol({ agent, secret }, more = {}) {
			const request = { ...common(), agent, secret, publicKey, host: 'dc01', ...more }
			return { ...request, proof: signProof(enrolProof(tenant, request), privateKey), ...more }
		},
		listen(agent, more = {}) {
			const request = { ...common(), agent, ...more }
			return { ...request, proof: signProof(listenProof(tenant, request), privateKey), ...more }
		},
	}
}

type Options = {
	/** Starts another process for the tenant of this one. */
	readonly beside?: EnrolmentHost
	readonly mode?: 'store' | 'relay'
	readonly settings?: Tenant['settings']
	/** The host name of Azure Relay. */
	readonly namespace?: string
	/** Milliseconds since 1970, instead of the clock that the test moves. */
	readonly now?: () => number
}

/** Call the result inside a test. */
export function useEnrolmentHost(): (options?: Options) => Promise<EnrolmentHost> {
	const azurite = useAzurite()
	const identity = useManagedIdentity()
	const running: RunningServer[] = []
	let tenants = 0
	afterAll(async () => {
		for (const server of running) await server.close()
	})
	return async ({ beside, mode = 'relay', settings = {}, namespace = 'contoso.servicebus.windows.net', now } = {}) => {
		identity().tokens.set(management, 'token-for-management')
		const { connectionString } = azurite()
		const tables = connectTables({ connectionString })
		const clock = beside?.clock ?? { ...fakeClock(), ...(now && { now }) }
		const faults = { isAway: false, losesAnswer: false }
		const keys = beside?.keys ?? newRelayKeys()
		const meter = createMeter()
		const events: RequestEvent[] = []
		const name = beside?.name ?? `tenant-${++tenants}`
		const services = await createServices(
			{
				tables: { connectionString },
				tokens: { file: '/none' },
				clientId: identity().newClientId(),
				relay: { namespace, listen: { resource: relayResource } },
			},
			{
				intercept: meter.intercept,
				now: clock.now,
				timer: clock.timer,
				later: never,
				random: noFold,
				fetch: managementOf(keys),
				pause: async () => {},
			},
		)
		const tenant = beside?.tenant ?? (await services.tenants.createTenant({ name, mode, settings }))
		if (tenant === 'exists') throw new Error('the tenant is new')
		const table = tables.table(tenant.table, name)
		const respond = respondWith(services)
		const server = await startServer({
			port: 0,
			respond: async (...asked) => {
				const away = { status: 403, body: '<html>Forbidden</html>' }
				const answer = faults.isAway ? away : await respond(...asked)
				return faults.losesAnswer ? away : answer
			},
			log: (event) => events.push(event),
		})
		running.push(server)
		const url = `${server.url}/scim/${name}`
		const change = (revise: (list: ReturnType<typeof parseAgents>) => ReturnType<typeof parseAgents> | 'full') =>
			updateAgents(table, tables.pause, (json) => {
				const list = revise(parseAgents(json))
				if (list === 'full') throw new Error('the tenant has ten agents')
				return { json: JSON.stringify(list), answer: list }
			})
		const secretOf = () => randomUUID().replaceAll('-', '').padEnd(43, 'x')
		return {
			...{ name, tenant, url, clock, keys, meter, events, faults },
			async add() {
				const code = { url, agent: randomUUID(), secret: secretOf() }
				await change((list) => withNewAgent(list, { id: code.agent, secret: code.secret }, clock.now()))
				return code
			},
			async addCode(agent) {
				const code = { url, agent, secret: secretOf() }
				await change((list) => withNewCode(list, { id: agent, secret: code.secret }, clock.now()))
				return code
			},
			remove: async (agent) => void (await change((list) => withoutAgent(list, agent, clock.now()))),
			async rotate(key) {
				const { signer } = parseAgents(await readAgents(table))
				const next = signer === 'primary' ? 'secondary' : 'primary'
				if (next === 'primary') keys.primaryKey = key
				else keys.secondaryKey = key
				await change((list) => ({ ...list, signer: next, renewed: new Date(clock.now()).toISOString() }))
			},
			stored: async () => (await readAgents(table)) ?? '',
			async post(path, body, base = url) {
				const response = await fetch(`${base}/${path}`, {
					method: 'POST',
					headers: { 'Content-Type': 'application/json' },
					body: typeof body === 'string' ? body : JSON.stringify(body),
				})
				return { status: response.status, headers: response.headers, body: JSON.parse(await response.text()) }
			},
		}
	}
}
