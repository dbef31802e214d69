import { parseQuery } from '../shared/http/query.ts'
import { replacingAttributes, withActive } from '../shared/scim/active.ts'
import { inDeclaredSpelling } from '../shared/scim/declared-spelling.ts'
import { notFound, preconditionFailed, ScimError } from '../shared/scim/error.ts'
import { limitKept, withUnseen } from '../shared/scim/kept.ts'
import { applyPatchInTurns } from '../shared/scim/patch/apply.ts'
import { diffMembers, memberChange, placeOfMember, toMembers } from '../shared/scim/patch/members.ts'
import type { PatchOperation } from '../shared/scim/patch/operation.ts'
import { refusedAt } from '../shared/scim/patch/place.ts'
import { parsePatch } from '../shared/scim/patch/request.ts'
import { type Projection, parseSelection, project, type Selection, selects } from '../shared/scim/projection.ts'
import { locationOf, represent } from '../shared/scim/represent.ts'
import type { AttributeValues, StoredResource } from '../shared/scim/resource.ts'
import type { ResourceType, TypeName } from '../shared/scim/resource-type.ts'
import { following } from '../shared/scim/strict.ts'
import { quirksWith } from '../shared/scim/undeclared.ts'
import { parseResource, sameValue } from '../shared/scim/value.ts'
import { accepts, etag, isNotModified, type VersionCondition } from '../shared/scim/version.ts'
import { unknownMember } from '../shared/storage/membership/operations.ts'
import type { Draft } from '../shared/storage/resource/create.ts'
import type { Include } from '../shared/storage/resource/read.ts'
import type { Revision, UpdateOptions } from '../shared/storage/resource/update.ts'
import { ruleOf } from '../shared/tenants/resource-types.ts'
import { settingsOf } from '../shared/tenants/settings.ts'
import { yieldingTurns } from '../shared/turn.ts'
import type { Call, Handler, ScimReply } from './call.ts'
import { groupBytes, memberBytes } from './json-bytes.ts'

/**
 * A write that leaves out unknown parts, and does the rest. If the request is refused for a wrong part, the refusal says that
 * nothing was done.
 */
const wholeOrNot =
	(name: TypeName, handler: Handler): Handler =>
	async (call) => {
		const quirks = following(settingsOf(call.tenant).dialect, quirksWith(ruleOf(call.tenant)))
		try {
			return await handler({ ...call, quirks })
		} catch (error) {
			throw quirks.has('unknownLeftOut') && error instanceof ScimError ? refusedWhole(error) : error
		} finally {
			for (const quirk of quirks) call.quirks.add(quirk)
			call.observe(name, quirks.undeclared?.found ?? new Map())
		}
	}

function refusedWhole(error: ScimError): ScimError {
	const { status, message, scimType, headers } = error
	if (status !== 400) return error
	return new ScimError(status, `${message}; nothing of this change was made`, {
		...(scimType !== undefined && { scimType }),
		headers,
		cause: error,
	})
}

/** The attributes in a body, with as much of what no schema declares as the tenant keeps. */
async function resourceIn({ body, quirks }: Call, type: ResourceType): Promise<AttributeValues> {
	const after = parseResource(type, await body(), quirks)
	return limitKept(type, { before: {}, after }, quirks)
}

/** RFC 7644 section 3.3. */
export const createResource = (name: TypeName): Handler =>
	wholeOrNot(name, async (call) => {
		const type = call.types[name]
		const selection = selectionOf(call, type)
		const draft = draftOf(withActive(type, await resourceIn(call, type)))
		const stored = await call.store.create(type, call.newId === undefined ? draft : { ...draft, id: call.newId })
		return resourceReply(201, { call, type, selection, stored })
	})

/** RFC 7644 section 3.4.1. */
export const getResource =
	(name: TypeName): Handler =>
	async (call) => {
		const type = call.types[name]
		const selection = selectionOf(call, type)
		const include = includeOf(selection, type)
		if (type.name === 'Group' && include.members) return groupReply(call, type, selection)
		const stored = await call.store.get(type, idOf(call), include)
		if (stored === undefined) throw absent(call, type)
		// RFC 9110 section 13.2.2: If-Match comes before If-None-Match.
		if (!accepts(call.ifMatch, stored.version)) throw stale()
		if (isNotModified(call.ifNoneMatch, stored.version)) return { status: 304, headers: { ETag: etag(stored.version) } }
		return resourceReply(200, { call, type, selection, stored })
	}

/** RFC 7644 section 3.5.1: attributes that the body leaves out are cleared. A user's `active` stays as it is. */
export const replaceResource = (name: TypeName): Handler =>
	wholeOrNot(name, async (call) => {
		const type = call.types[name]
		const selection = selectionOf(call, type)
		const { attributes, members = [] } = draftOf(await resourceIn(call, type))
		const stored = await update(call, type, {
			include: { ...includeOf(selection, type), members: type.name === 'Group' },
			revise: (current) =>
				revision(
					current,
					withUnseen(type, replacingAttributes(attributes, current.attributes), current.attributes),
					current.members && diffMembers(current.members, members),
				),
		})
		return resourceReply(200, { call, type, selection, stored })
	})

/** RFC 7644 section 3.5.2. The answer has the whole user, but no group: the members of a group would be too many. */
export const patchResource = (name: TypeName): Handler =>
	wholeOrNot(name, async (call) => {
		const type = call.types[name]
		const selection = selectionOf(call, type)
		const operations = parsePatch(await call.body(), type, call.quirks)
		if (type.name === 'User') return patchUser(call, { type, selection, operations })
		const version = await patchGroup(call, type, operations).catch((error: unknown) => {
			throw atItsOperation(error, operations, call)
		})
		// "The server MUST return a 200 OK if the 'attributes' parameter is specified in the request."
		return selection.mode === 'only' ? getResource(name)(withoutConditions(call)) : noContent(version)
	})

/** RFC 7644 section 3.6. */
export const deleteResource =
	(name: TypeName): Handler =>
	async (call) => {
		const type = call.types[name]
		const outcome = await call.store.delete(type, idOf(call), conditionOf(call))
		if (outcome === 'absent') throw absent(call, type)
		if (outcome === 'stale') throw stale()
		return { status: 204 }
	}

type UserPatch = {
	readonly type: ResourceType
	readonly selection: Selection
	readonly operations: readonly PatchOperation[]
}

async function patchUser(call: Call, { type, selection, operations }: UserPatch): Promise<ScimReply> {
	const stored = await update(call, type, {
		include: includeOf(selection, type),
		revise: async (current) => revision(current, await applied(call, current.attributes, { type, operations })),
	})
	return resourceReply(200, { call, type, selection, stored })
}

/**
 * Adds and removes members without reading the group if the operations alone define the change, as Entra's do. All other
 * operations are applied to the current group.
 */
async function patchGroup(call: Call, type: ResourceType, operations: readonly PatchOperation[]): Promise<string> {
	const change = memberChange(operations, call.quirks)
	if (change?.base === 'current' && change.rest.length === 0) {
		return required(call, type, await call.store.changeMembers(idOf(call), change, conditionOf(call))).version
	}
	const revise = async (current: StoredResource): Promise<Revision | undefined> => {
		if (change === undefined) return reviseWithMembers(call, current, { type, operations })
		const attributes = await applied(call, current.attributes, { type, operations: change.rest })
		const membership = change.base === 'current' ? change : diffMembers(current.members ?? [], change.add)
		return revision(current, attributes, membership)
	}
	const include = { members: change?.base !== 'current', areDisplaysNeeded: change === undefined }
	const stored = await update(call, type, { include, revise })
	return stored.version
}

/** Storage finds out that no user has the id of a member. The operation that adds the member is named. */
function atItsOperation(error: unknown, operations: readonly PatchOperation[], { quirks }: Call): unknown {
	if (!(error instanceof ScimError) || !error.message.startsWith('members[value eq ')) return error
	const at = placeOfMember(operations, ({ value }) => unknownMember(value).message === error.message, quirks)
	return at === undefined ? error : refusedAt(at, error)
}

type Patch = Pick<UserPatch, 'type' | 'operations'>

async function reviseWithMembers(call: Call, current: StoredResource, patch: Patch): Promise<Revision | undefined> {
	// The operations see the members as a GET shows them: `members[type eq "User"]`.
	const before = { ...current.attributes, members: current.members?.map((member) => ({ ...member, type: 'User' })) }
	const { attributes, members = [] } = draftOf(await applied(call, before, patch))
	return revision(current, attributes, diffMembers(current.members ?? [], members))
}

const applied = ({ quirks }: Call, values: AttributeValues, { type, operations }: Patch): Promise<AttributeValues> =>
	applyPatchInTurns(values, operations, { type, quirks, yieldTurn: yieldingTurns() })

/** The change to write; undefined if nothing changes, so that the version stays the same. */
function revision(
	current: StoredResource,
	attributes: AttributeValues,
	membership?: Revision['membership'],
): Revision | undefined {
	const isMembership = membership !== undefined && membership.add.length + membership.remove.length > 0
	if (!isMembership && sameValue(attributes, current.attributes)) return undefined
	return { attributes, ...(isMembership && { membership }) }
}

const update = async (call: Call, type: ResourceType, options: UpdateOptions): Promise<StoredResource> =>
	required(call, type, await call.store.update(type, idOf(call), { ...conditional(call), ...options }))

/** Separates the members, which are stored apart from the other attributes. */
function draftOf({ members, ...attributes }: AttributeValues): Draft {
	return members === undefined ? { attributes } : { attributes, members: toMembers(members) }
}

const idOf = ({ params }: Call): string => params.id ?? ''

const selectionOf = ({ query, quirks }: Call, type: ResourceType): Selection =>
	parseSelection(parseQuery(query), [type], quirks)

/** What storage must read for a selection. */
export const includeOf = (selection: Selection, type: ResourceType): Include => ({
	members: selects(selection, type, 'members'),
	groups: selects(selection, type, 'groups'),
})

const conditionOf = ({ ifMatch }: Call) =>
	ifMatch === undefined ? undefined : (version: string): boolean => accepts(ifMatch, version)

const conditional = (call: Call): Pick<UpdateOptions, 'condition'> => {
	const condition = conditionOf(call)
	return condition === undefined ? {} : { condition }
}

const withoutConditions = ({ ifMatch, ifNoneMatch, ...call }: Call): Call => call

function required<T>(call: Call, type: ResourceType, outcome: T | 'absent' | 'stale'): T {
	if (outcome === 'absent') throw absent(call, type)
	if (outcome === 'stale') throw stale()
	return outcome
}

const absent = (call: Call, type: ResourceType) => notFound(`there is no ${type.name} with the id "${idOf(call)}"`)

const stale = () =>
	preconditionFailed('the current version of the resource does not match If-Match: read the resource again')

const noContent = (version: string): ScimReply => ({ status: 204, headers: { ETag: etag(version) } })

type RepresentationInput = {
	readonly call: Call
	readonly type: ResourceType
	readonly selection: Selection
	readonly stored: StoredResource
}

/**
 * Answers with a group and its members. A group may have a million members. Each page of members goes from rows to bytes, so
 * that they are never in memory as objects all at once.
 */
async function groupReply(call: Call, type: ResourceType, selection: Selection): Promise<ScimReply> {
	const isStale: VersionCondition = (version) => !accepts(call.ifMatch, version)
	const group = await call.store.getGroup(idOf(call), {
		// The client wants another version, or has this one already: the members need not be read.
		skipMembersIf: (version) => isStale(version) || isNotModified(call.ifNoneMatch, version),
		write: async (members) => memberBytes(members, { type, selection, baseUrl: call.baseUrl }),
	})
	if (group === undefined) throw absent(call, type)
	const { resource, members: pages } = group
	const stored = { ...resource, attributes: inDeclaredSpelling(type, resource.attributes) }
	if (isStale(stored.version)) throw stale()
	if (pages === undefined) return { status: 304, headers: { ETag: etag(stored.version) } }
	const reply = resourceReply(200, { call, type, selection, stored })
	return { ...reply, body: groupBytes(reply.body, pages) }
}

function resourceReply(
	status: 200 | 201,
	{ call, type, selection, stored }: RepresentationInput,
): ScimReply & { readonly body: Projection } {
	return {
		status,
		headers: { Location: locationOf(type, stored.id, call.baseUrl), ETag: etag(stored.version) },
		body: project(represent(stored, type, call.baseUrl), type, selection),
	}
}
