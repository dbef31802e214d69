import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Host } from '../support/host.ts'
import { createPlaceholders } from './placeholders.ts'
import { headersOfEveryAnswer } from './scim.ts'
import { type Received, type Sent, send } from './wire.ts'

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

/** One request as it was sent, its answer, and the answer that the recording has. */
export type ReplayedExchange = {
	readonly name: string
	readonly sent: Sent
	readonly received: Received
	readonly expected: unknown
}

const folder = fileURLToPath(new URL('.', import.meta.url))

/** The files of the recordings, below this folder. */
export const recordings: readonly string[] = readdirSync(folder, { recursive: true, encoding: 'utf8' })
	.filter((file) => file.endsWith('.json'))
	.sort()

const read = (file: string): Recording => JSON.parse(readFileSync(join(folder, file), 'utf8'))

/** Sends the requests of a recording to an empty tenant, with their paths as `belowTenantUrl` changes them. */
export async function* replay(
	tenant: Pick<Host, 'baseUrl' | 'token'>,
	file: string,
	belowTenantUrl: (path: string) => string = (path) => path,
): AsyncGenerator<ReplayedExchange> {
	const placeholders = createPlaceholders()
	placeholders.set('base', tenant.baseUrl)
	for (const { name, keep, request, response } of read(file).exchanges) {
		const { line, ...rest } = placeholders.fill(request)
		const [method = '', path = ''] = line.split(/ (.*)/)
		const sent = { method, path: belowTenantUrl(path), ...rest }
		const received = await send(tenant, sent)
		const expected = { ...response, headers: { ...headersOfEveryAnswer, ...response.headers } }
		yield { name, sent, received, expected: placeholders.settle(expected, received) }
		if (keep !== undefined) placeholders.set(keep, received.body)
	}
}
