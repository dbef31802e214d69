import { filterKept, keptIn } from '../scim/kept.ts'
import type { StoredResource } from '../scim/resource.ts'
import { type ResourceType, type ResourceTypes, sameUrn, typeNames } from '../scim/resource-type.ts'
import type { ResourceStore } from './resource-store.ts'
import { inParallel } from './table/parallel.ts'

/** The removal of what is stored at an undeclared path, or below an undeclared URN, from all resources. */
export type Forgetting = {
	readonly path: string
	/** How far it has come: the type of resources, a blank, and the `next` of the last page. Empty at the beginning. */
	readonly position: string
}

type ForgetOptions = {
	readonly store: Pick<ResourceStore, 'query' | 'update'>
	readonly types: ResourceTypes
	readonly now: () => number
	/** Milliseconds since 1970 at which to stop. */
	readonly until: number
	/** Told how many resources more were looked at, and from how many of them something was removed. */
	readonly onPage?: (looked: number, changed: number) => void
}

const pageSize = 200
/** Resources that are changed at the same time. */
const width = 4

/**
 * Goes on with a removal. Answers the position at which it stopped at `until`; undefined when all resources were looked at.
 * It may be repeated from any earlier position, and requests run beside it. A resource without the path is not written.
 *
 * @throws ScimError 503 if the service stays away
 */
export async function forget(
	{ path, position }: Forgetting,
	{ store, types, now, until, onPage = () => {} }: ForgetOptions,
): Promise<string | undefined> {
	const [begin = 'User', start = ''] = position === '' ? [] : position.split(' ', 2)
	// Users come first.
	for (const name of typeNames.filter((each) => begin !== 'Group' || each === begin)) {
		const type = types[name]
		let after: string | undefined = name === begin ? start : ''
		while (after !== undefined) {
			if (now() >= until) return `${name} ${after}`
			const page: Awaited<ReturnType<ResourceStore['query']>> = await store.query(type, {
				page: { after, count: pageSize },
			})
			const holders = page.resources.filter((resource) => has(type, resource, path))
			await inParallel(
				holders,
				({ id }) => store.update(type, id, { revise: (current) => without(type, current, path) }),
				width,
			)
			onPage(page.resources.length, holders.length)
			after = page.next
		}
	}
	return undefined
}

const has = (type: ResourceType, { attributes }: StoredResource, path: string): boolean =>
	keptIn(type, attributes).some((kept) => isAt(path, kept.path))

function without(type: ResourceType, { attributes }: StoredResource, path: string) {
	const rest = filterKept(type, attributes, (kept) => !isAt(path, kept.path))
	return rest === attributes ? undefined : { attributes: rest }
}

/** Whether a path is the one that is meant, or below the URN that is meant. */
const isAt = (meant: string, path: string): boolean =>
	sameUrn(meant, path) || (/^urn:/i.test(meant) && sameUrn(path.slice(0, meant.length + 1), `${meant}:`))
