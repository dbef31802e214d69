import { stepText } from '../../scim/filter/compare.ts'
import { foldCase, foldCaseInSteps, keepCase } from '../../scim/fold-case.ts'
import type { ResourceId, StoredResource } from '../../scim/resource.ts'
import { type ResourceType, resolveAttribute } from '../../scim/resource-type.ts'
import { isObject, isUnassigned } from '../../scim/value.ts'
import { encode, encodeFoldedAscii, isAscii } from '../rows/keys.ts'
import type { Page, Sort } from './page.ts'
import { viewOf } from './view.ts'

/** A position in an order: resources are sorted by `key`, and resources with equal keys by `id`. */
export type Position = { readonly key: string; readonly id: string }

/** A resource, and the length of its JSON. */
export type SizedResource = { readonly resource: StoredResource; readonly size: number }

/**
 * A match at its position. `sized` is absent if the match needs no reading, and if too many others are in memory already.
 * Then the resource is read when the page is known. `size` is the length of its JSON, if that is known.
 */
export type ResultEntry = Position & {
	readonly id: ResourceId
	readonly sized?: SizedResource
	readonly size?: number
}

/** Sorts after every encoded value. */
const unassigned = '~'

/**
 * Makes the function that returns the key of a resource in an order: its value as row keys encode it. Of several values
 * the primary one or else the first counts. Resources without a value come last (RFC 7644 section 3.4.2.3).
 */
export function sortKey(type: ResourceType, { by }: Sort): (resource: StoredResource) => SortKeySteps {
	const resolved = resolveAttribute(type, by)
	return function* (resource) {
		if (resolved === undefined) return unassigned
		const { extension, attribute, subAttribute = attribute.subAttributes.get('value') } = resolved
		const { caseExact } = subAttribute ?? attribute
		const view = viewOf(type, resource)
		const container = extension === undefined ? view : view[extension.urn]
		const element = preferred(isObject(container) ? container[attribute.name] : undefined)
		const value = subAttribute !== undefined && isObject(element) ? element[subAttribute.name] : element
		if (isUnassigned(value) || typeof value === 'object') return unassigned
		const text = String(value)
		if (caseExact) return encode(keepCase(text))
		if (isAscii(text)) return encodeFoldedAscii(text)
		return encode(text.length < stepText ? foldCase(text) : yield* foldCaseInSteps(text))
	}
}

/** The key of a long value is made in steps. */
type SortKeySteps = Generator<undefined, string>

const preferred = (value: unknown): unknown =>
	Array.isArray(value) ? (value.find((element) => isObject(element) && element.primary === true) ?? value[0]) : value

// Clients hold positions in cursors, so their text must not change: `<key>|<id>`. The key is empty in the order of ids,
// and `>` in a walk. No encoded value is `>`.

const walkKey = '>'

/** The text of a position, which a cursor holds. */
export const positionOf = ({ key, id }: Position): string => `${key}|${id}`

/** The text of a position in a walk, which is in the order of ids. */
export const walkPositionOf = ({ id }: Pick<Position, 'id'>): string => positionOf({ key: walkKey, id })

/** Reads the text of a position. */
export function parsePosition(text: string): { readonly position: Position; readonly isWalk: boolean } {
	const separator = text.lastIndexOf('|')
	const [key, id] = [text.slice(0, separator), text.slice(separator + 1)]
	const isWalk = key === walkKey
	return { position: { key: isWalk ? '' : key, id }, isWalk }
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** By key in the direction of the sort, then by id in ascending order. */
const comparison =
	(descending: boolean) =>
	(a: Position, b: Position): number =>
		compareText(a.key, b.key) * (descending ? -1 : 1) || compareText(a.id, b.id)

type PageOrder = {
	readonly page: Page
	readonly start: Position | undefined
	readonly sort: Sort | undefined
	/** The matches come in the order of the page already. */
	readonly isOrdered: boolean
}

/** Length of the JSON of the matches that are kept in memory. */
const maxKeptSize = 4 * 2 ** 20

/**
 * Takes matches in any order and keeps those of one page. Others are dropped now and then, to save memory. Beyond a size,
 * matches are kept without their resources.
 */
export function collectPage({ page, start, sort, isOrdered }: PageOrder) {
	const compare = comparison(sort?.descending ?? false)
	const skipped = skippedBy(page)
	const kept = skipped + page.count + 1
	let entries: ResultEntry[] = []
	let total = 0
	let size = 0
	return {
		add(entry: ResultEntry): void {
			total++
			if (start !== undefined && compare(entry, start) <= 0) return
			// In order, what comes before the page or behind it stays there.
			if (isOrdered && (total <= skipped || entries.length > page.count)) return
			const { key, id, sized } = entry
			const isKept = sized !== undefined && size + sized.size <= maxKeptSize
			if (isKept) size += sized.size
			entries.push(isKept || sized === undefined ? entry : { key, id, size: sized.size })
			if (entries.length < 2 * kept + 1000) return
			entries = entries.sort(compare).slice(0, kept)
			size = entries.reduce((sum, each) => sum + (each.sized?.size ?? 0), 0)
		},
		total: () => total,
		/** Whether matches are kept without their resources from now on. */
		isFull: () => size >= maxKeptSize / 2,
		/** The entries of the page, and one more if others follow. */
		entries: (): readonly ResultEntry[] => (isOrdered ? entries : entries.sort(compare).slice(skipped, kept)),
	}
}

/** How many matches come before a page by `startIndex`. A page by cursor skips none, since it begins at its position. */
export const skippedBy = (page: Page): number => ('after' in page ? 0 : page.startIndex - 1)
