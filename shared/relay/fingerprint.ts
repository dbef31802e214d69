import { createHash } from 'node:crypto'

type WriteParts = {
	readonly method: string
	/** Path and query as they are sent to the relay. */
	readonly target: string
	readonly body: Uint8Array | undefined
}

/** Identifies a write by method, target and body. A client that repeats a write sends the same three. */
export const fingerprintOf = ({ method, target, body = Buffer.alloc(0) }: WriteParts): string =>
	createHash('sha256').update(`${method}\n${target}\n`).update(body).digest('base64url')

/** The path of a target, without query and without a slash at the end. */
export const pathOf = (target: string): string => target.replace(/\?.*$/s, '').replace(/\/+$/, '')

/** Whether writes to two paths can change the same resource: equal paths, a collection and its resource, or a bulk request. */
export const areRelated = (one: string, other: string): boolean =>
	one === other ||
	parentOf(one) === other ||
	parentOf(other) === one ||
	[one, other].some((path) => /\/Bulk$/i.test(path))

const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')))
