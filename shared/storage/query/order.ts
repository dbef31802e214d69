import { foldCase, keepCase } from '../../scim/fold-case.ts'
import type { StoredResource } from '../../scim/resource.ts'
import { type ResourceType, resolveAttribute } from '../../scim/resource-type.ts'
import { isObject, isUnassigned } from '../../scim/value.ts'
import { encode } from '../rows/keys.ts'
import type { Page, Query, QueryResult } from './page.ts'
import { viewOf } from './view.ts'

/** A resource and where it stands: by `key`, and among equal ones by its id. */
export type Entry<R = StoredResource> = { readonly key: string; readonly resource: R }

export type Sort = NonNullable<Query['sort']>

/** Sorts after every encoded value. */
const unassigned = '~'

/**
 * The key by which a resource is sorted: its value as row keys have it; of several values the primary one or else the
 * first; after all others where it has none (RFC 7644 section 3.4.2.3).
 */
export function sortKey(type: ResourceType, { by }: Sort): (resource: StoredResource) => string {
	const resolved = resolveAttribute(type, by)
	if (resolved === undefined) return () => unassigned
	const { extension, attribute, subAttribute = attribute.subAttributes.get('value') } = resolved
	const { caseExact } = subAttribute ?? attribute
	return (resource) => {
		const view = viewOf(type, resource)
		const container = extension === undefined ? view : view[extension.urn]
		const element = preferred(isObject(container) ? container[attribute.name] : undefined)
		const value = subAttribute !== undefined && isObject(element) ? element[subAttribute.name] : element
		if (isUnassigned(value) || typeof value === 'object') return unassigned
		return encode(caseExact ? keepCase(String(value)) : foldCase(String(value)))
	}
}

const preferred = (value: unknown): unknown =>
	Array.isArray(value) ? (value.find((element) => isObject(element) && element.primary === true) ?? value[0]) : value

/** Where an entry stands, as a cursor remembers it. */
export const positionOf = ({ key, resource }: Entry<Pick<StoredResource, 'id'>>): string => `${key}|${resource.id}`

/** The key and the id that a position was made of. */
export function parsePosition(position: string): { readonly key: string; readonly id: string } {
	const separator = position.lastIndexOf('|')
	return { key: position.slice(0, separator), id: position.slice(separator + 1) }
}

type Place = { readonly key: string; readonly id: string }

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** By key in the direction asked for, and by id among equal ones. */
const comparison =
	(descending: boolean) =>
	(a: Place, b: Place): number =>
		compareText(a.key, b.key) * (descending ? -1 : 1) || compareText(a.id, b.id)

/** Takes entries in any order and keeps those of a page, with no more of the others than it takes to sort them out. */
export function collectPage(page: Page, descending: boolean) {
	const comparePlaces = comparison(descending)
	const compare = (a: Entry, b: Entry) => comparePlaces(placeOf(a), placeOf(b))
	const start = 'after' in page && page.after !== '' ? parsePosition(page.after) : undefined
	const skipped = 'after' in page ? 0 : page.startIndex - 1
	const kept = skipped + page.count + 1
	let entries: Entry[] = []
	let total = 0
	return {
		add(entry: Entry): void {
			total++
			if (start !== undefined && comparePlaces(placeOf(entry), start) <= 0) return
			entries.push(entry)
			if (entries.length >= 2 * kept + 1000) entries = entries.sort(compare).slice(0, kept)
		},
		result(): QueryResult {
			return { ...pageOf(page, entries.sort(compare).slice(skipped, kept)), totalResults: total }
		},
	}
}

const placeOf = ({ key, resource: { id } }: Entry): Place => ({ key, id })

/** The resources of a page and where the next one begins, from entries in order of which one too many tells that there is more. */
export function pageOf<R extends Pick<StoredResource, 'id'>>(
	page: Page,
	entries: readonly Entry<R>[],
): { readonly resources: readonly R[]; readonly next?: string } {
	const shown = entries.slice(0, page.count)
	const last = shown.at(-1)
	const more = 'after' in page && last !== undefined && entries.length > page.count
	return { resources: shown.map(({ resource }) => resource), ...(more && { next: positionOf(last) }) }
}
