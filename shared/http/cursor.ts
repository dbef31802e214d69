import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { expiredCursor, invalidCursor } from '../scim/error.ts'
import { limits } from '../scim/service-provider-config.ts'

/** What a cursor is good for: one tenant's key, one query (in words that differ where the query does), for a while. */
export type CursorScope = {
	/** The tenant's secret, in base64url. */
	readonly key: string
	readonly query: string
	/** Milliseconds since 1970. */
	readonly now: number
}

/** Makes the cursor of RFC 9865 for a position in a result. It has unreserved characters only. */
export function sealCursor(position: string, { key, query, now }: CursorScope): string {
	const expires = Math.floor(now / 1000) + limits.cursorTimeout
	const content = Buffer.from(`${expires} ${position}`).toString('base64url')
	return `${content}.${signature(content, key, query)}`
}

/**
 * Reads the position out of a cursor that we made.
 *
 * @throws ScimError 400 `invalidCursor`, also where it belongs to another tenant or query; `expiredCursor`
 */
export function openCursor(cursor: string, { key, query, now }: CursorScope): string {
	const [content = '', tag = ''] = cursor.split('.')
	if (!isSame(tag, signature(content, key, query))) {
		throw invalidCursor('the cursor is not one of this query: begin again with an empty cursor')
	}
	const [expires = '', ...position] = Buffer.from(content, 'base64url').toString().split(' ')
	if (Number(expires) * 1000 < now) throw expiredCursor('the cursor has expired: begin again with an empty cursor')
	return position.join(' ')
}

const signature = (content: string, key: string, query: string): string =>
	createHmac('sha256', Buffer.from(key, 'base64url')).update(`${content}\n${query}`).digest('base64url')

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

const isSame = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b))
