import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { useHost } from '../support/host.ts'
import { createPlaceholders } from './placeholders.ts'
import { headersOfEveryAnswer } from './scim.ts'
import { send } from './wire.ts'

/** A recorded conversation of one client with an empty tenant, in order. */
type Recording = {
	readonly about: string
	readonly sources: readonly string[]
	readonly exchanges: readonly Exchange[]
}

type Exchange = {
	readonly name: string
	/** The name of a placeholder for the body of this answer. */
	readonly keep?: string
	/** `line` is method and path: `GET /Users?count=1`. */
	readonly request: {
		readonly line: string
		readonly headers?: Readonly<Record<string, string>>
		readonly body?: unknown
	}
	/** The answer, without the headers that every answer has. */
	readonly response: {
		readonly status: number
		readonly headers?: Readonly<Record<string, string>>
		readonly body?: unknown
	}
}

const host = useHost()

const folder = fileURLToPath(new URL('.', import.meta.url))

const recordings = readdirSync(folder, { recursive: true, encoding: 'utf8' })
	.filter((file) => file.endsWith('.json'))
	.sort()

const read = (file: string): Recording => JSON.parse(readFileSync(join(folder, file), 'utf8'))

/** A path below the Tenant URL `https://<host>/scim/<tenant>/?aadOptscim062020`, as administrators type it. */
const flagged = (path: string) => `/${path}${path.includes('?') ? '&' : '?'}aadOptscim062020`

async function replay({ exchanges }: Recording, belowTenantUrl: (path: string) => string) {
	const tenant = await host()
	const placeholders = createPlaceholders()
	placeholders.set('base', tenant.baseUrl)
	for (const { name, keep, request, response } of exchanges) {
		const { line, ...sent } = placeholders.fill(request)
		const [method = '', path = ''] = line.split(/ (.*)/)
		const received = await send(tenant, { method, path: belowTenantUrl(path), ...sent })
		const expected = { ...response, headers: { ...headersOfEveryAnswer, ...response.headers } }
		expect(received, name).toEqual(placeholders.settle(expected, received))
		if (keep !== undefined) placeholders.set(keep, received.body)
	}
}

describe.each(recordings)('%s', (file) => {
	it('is answered as recorded', () => replay(read(file), (path) => path))

	it('is answered in the same way if the Tenant URL ends with a slash and a feature flag', () =>
		replay(read(file), flagged))
})
