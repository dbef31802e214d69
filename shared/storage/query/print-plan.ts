import { type ResourceType, resolveAttribute } from '../../scim/resource-type.ts'
import type { Sort } from './page.ts'
import { linkAttribute, type Plan, pathOf, type Source } from './plan.ts'

/**
 * Writes a plan in one line: `User: index userName eq …; from 1; limit candidates, then tooMany`. The line has attribute
 * names, kinds and numbers only. It leaves out the values of attributes, since they are personal data.
 */
export function printPlan(plan: Plan): string {
	const { type, source, need, sort, page, start } = plan
	return [
		`${type.name}: ${printSource(type, source)}`,
		...(need.length === 0 ? [] : [`reads ${typeof need === 'string' ? need : need.length} ${linkAttribute(type)}`]),
		...(sort === undefined ? [] : [printSort(type, sort)]),
		`from ${'startIndex' in page ? page.startIndex : start === undefined ? 'cursor' : 'cursor with position'}`,
		printLimit(plan),
	].join('; ')
}

function printSource(type: ResourceType, source: Source): string {
	switch (source.kind) {
		case 'all':
		case 'byUserName':
			return source.kind
		case 'id':
			return 'id eq …'
		case 'index':
			return `index ${source.index.attribute.name} eq …`
		case 'prefix':
			return `prefix ${source.index.attribute.name} sw …`
		case 'links':
			return `links ${linkAttribute(type)} eq …${source.reads === 'page' ? ', page only' : ''}`
		case 'scan':
			return `scan${source.conditions.map(({ path, operator }) => ` ${path} ${operator} …`).join(' and')}`
	}
}

function printLimit({ type, limit, walk }: Plan): string {
	if (limit === 'none' || limit === 'walk') return `limit ${limit}`
	return `limit ${limit}, then ${walk === undefined ? 'tooMany' : `walk ${printSource(type, walk.source)}`}`
}

function printSort(type: ResourceType, { by, descending }: Sort): string {
	const resolved = resolveAttribute(type, by)
	return `sort ${resolved === undefined ? 'none' : pathOf(resolved)}${descending ? ' descending' : ''}`
}
