import { randomUUID } from 'node:crypto'
import { type RequestEvent, respondWith } from '../../functions/respond.ts'
import { createServices, type Services } from '../../functions/services.ts'
import { tokenVerifier } from '../../shared/auth/tokens.ts'
import type { Rate } from '../../shared/limits/bucket.ts'
import type { Send } from '../../shared/storage/table/tables.ts'
import { type FakeClock, fakeClock } from './fake-clock.ts'
import { createMeter, type Meter } from './meter.ts'
import { never, noFold } from './never.ts'

export type EdgeAnswer = {
	readonly status: number
	readonly headers: Headers
	// biome-ignore lint/suspicious/noExplicitAny: tests read answers of every shape
	readonly body: any
}

/** A process that has just started, without HTTP, on a clock that the test moves. */
export type Edge = {
	readonly clock: FakeClock
	readonly services: Services
	readonly meter: Meter
	readonly events: readonly RequestEvent[]
	ask(method: string, tenant: string, path: string, options?: AskOptions): Promise<EdgeAnswer>
}

export type AskOptions = {
	readonly body?: unknown
	readonly token?: string
	readonly headers?: Readonly<Record<string, string>>
}

type EdgeOptions = {
	readonly connectionString: string
	readonly rate?: Rate
	readonly intercept?: (send: Send) => Send
	/** How the answers to requests are made; for a test that changes the services. */
	readonly revise?: (services: Services) => Services
}

/** Starts the edge. The token `right` is the only one of every tenant. Pauses before another attempt are as long as may be. */
export async function startEdge({
	connectionString,
	rate,
	intercept = (send) => send,
	revise = (services) => services,
}: EdgeOptions): Promise<Edge> {
	const clock = fakeClock()
	const meter = createMeter()
	const pause = (attempt: number) =>
		new Promise<void>((resolve) => clock.timer(Math.min(50 * 2 ** (attempt - 1), 1600), resolve))
	const created = await createServices(
		{ tables: { connectionString }, tokens: { file: '/none' }, ...(rate && { rate }) },
		{
			intercept: (send) => meter.intercept(intercept(send)),
			pause,
			now: clock.now,
			timer: clock.timer,
			later: never,
			random: noFold,
		},
	)
	const source = async () => [{ value: 'right', id: 'right', scope: 'scim' as const, created: 0 }]
	const isTenant = async (name: string) => (await created.tenants.getTenant(name)) !== undefined
	const services = revise({ ...created, authenticate: tokenVerifier({ source, isTenant, now: clock.now }) })
	const respond = respondWith(services)
	const events: RequestEvent[] = []
	return {
		clock,
		services,
		meter,
		events,
		async ask(method, tenant, path, { body, token = 'right', headers: more = {} } = {}) {
			const bytes = new TextEncoder().encode(body === undefined ? '' : JSON.stringify(body))
			const headers = new Headers({
				authorization: `Bearer ${token}`,
				...(body !== undefined && {
					'content-type': 'application/scim+json',
					'content-length': String(bytes.length),
				}),
				...more,
			})
			const url = `https://localhost/scim/${tenant}${path}`
			const request = { method, url, headers, arrayBuffer: async () => bytes.slice().buffer }
			const answer = await respond(request, randomUUID(), (event) => events.push(event))
			const text = answer.body instanceof Uint8Array ? Buffer.from(answer.body).toString() : String(answer.body ?? '')
			return {
				status: answer.status ?? 200,
				headers: new Headers(answer.headers as Record<string, string>),
				body: text === '' ? undefined : JSON.parse(text),
			}
		},
	}
}
