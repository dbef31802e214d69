import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { expiredCursor, invalidCursor } from '../scim/error.ts'
import { limits } from '../scim/service-provider-config.ts'

/** The scope in which a cursor is valid: one tenant, one query, and a limited time. */
export type CursorScope = {
	/** The tenant's secret, in base64url. */
	readonly key: string
	/** A text that is different for every different query. */
	readonly query: string
	/** The time of the request, in milliseconds since 1970. */
	readonly now: number
}

/** Makes a cursor of RFC 9865 for a position in a result. It has only unreserved characters of a URL. */
export function sealCursor(position: string, { key, query, now }: CursorScope): string {
	const expires = Math.floor(now / 1000) + limits.cursorTimeout
	const content = Buffer.from(`${expires} ${position}`).toString('base64url')
	return `${content}.${signature(content, key, query)}`
}

/**
 * Reads the position from a cursor that we made.
 *
 * @throws ScimError 400 `invalidCursor`, also for a cursor of another tenant or query; 400 `expiredCursor`
 */
export function openCursor(cursor: string, { key, query, now }: CursorScope): string {
	const [content = '', tag = ''] = cursor.split('.')
	if (!isSame(tag, signature(content, key, query))) {
		throw invalidCursor('the cursor does not belong to this query: begin again with an empty cursor')
	}
	const [expires = '', ...position] = Buffer.from(content, 'base64url').toString().split(' ')
	if (Number(expires) * 1000 < now) throw expiredCursor('the cursor has expired: begin again with an empty cursor')
	return position.join(' ')
}

const signature = (content: string, key: string, query: string): string =>
	createHmac('sha256', Buffer.from(key, 'base64url')).update(`${content}\n${query}`).digest('base64url')

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

const isSame = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b))
