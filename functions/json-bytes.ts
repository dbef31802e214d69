import { type ListResult, listResponse } from '../shared/scim/list-response.ts'
import { type Projection, project, projectAttribute, type Selection } from '../shared/scim/projection.ts'
import { represent, representMembers } from '../shared/scim/represent.ts'
import type { Member, StoredResource } from '../shared/scim/resource.ts'
import type { ResourceType } from '../shared/scim/resource-type.ts'
import type { Yield } from '../shared/turn.ts'

// A page of resources has megabytes, and a group may have a million members. They become bytes a part at a time, so that
// they are not in memory as objects all at once, and other requests have their turn in between.

/** What a client sees of resources. */
export type ResourceView = { readonly type: ResourceType; readonly selection: Selection; readonly baseUrl: string }

/** Members that become bytes at a time. */
const membersAtOnce = 1000

/** The JSON of a resource as the client wants it. */
export async function resourceBytes(stored: StoredResource, view: ResourceView, yieldTurn: Yield): Promise<Buffer> {
	const { type, selection, baseUrl } = view
	const { members = [], ...rest } = stored
	if (members.length <= membersAtOnce) return bytesOf(project(represent(stored, type, baseUrl), type, selection))
	const pages: Buffer[] = []
	for (let from = 0; from < members.length; from += membersAtOnce) {
		await yieldTurn()
		pages.push(memberBytes(members.slice(from, from + membersAtOnce), view))
	}
	const group = project(represent(rest, type, baseUrl), type, selection)
	return pages.every(({ length }) => length === 0) ? bytesOf(group) : groupBytes(group, pages)
}

/** A page of members as JSON objects with commas between them; empty if the client wants nothing of them. */
export function memberBytes(members: readonly Member[], { type, selection, baseUrl }: ResourceView): Buffer {
	const projected = projectAttribute('members', representMembers(members, baseUrl), { type, selection })
	const elements: readonly unknown[] = Array.isArray(projected) ? projected : []
	return Buffer.from(elements.map((element) => JSON.stringify(element)).join(','))
}

/** The JSON of a group, property by property; its last one is `members`, joined from its pages. */
export function groupBytes(group: Projection, pages: readonly Buffer[]): Buffer {
	return withList(group, 'members', pages)
}

/** The JSON of one page of a result, whose resources are bytes already. */
export function listBytes(page: ListResult & { readonly resources: readonly Buffer[] }): Buffer {
	const { Resources: _, ...message } = listResponse({ ...page, resources: [] })
	return withList(message, 'Resources', page.resources)
}

function withList(object: object, name: string, pieces: readonly Buffer[]): Buffer {
	const properties = Object.entries(object).map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`)
	const filled = pieces.filter(({ length }) => length > 0)
	const commas = filled.map((piece, index) => (index === 0 ? [piece] : [Buffer.from(','), piece]))
	const begin = Buffer.from(`{${properties.join(',')},${JSON.stringify(name)}:[`)
	return Buffer.concat([begin, ...commas.flat(), Buffer.from(']}')])
}

const bytesOf = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))
