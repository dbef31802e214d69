import * as z from 'zod'
import { operationsAlone } from '../shared/scim/dialect.ts'
import {
	invalidPath,
	invalidSyntax,
	invalidValue,
	methodNotAllowed,
	payloadTooLarge,
	ScimError,
	unavailable,
} from '../shared/scim/error.ts'
import { locationOf } from '../shared/scim/represent.ts'
import type { ResourceId } from '../shared/scim/resource.ts'
import { builtInTypes, type TypeName, typeNames } from '../shared/scim/resource-type.ts'
import { limits } from '../shared/scim/service-provider-config.ts'
import { urn } from '../shared/scim/urn.ts'
import { isObject } from '../shared/scim/value.ts'
import { firstProblem, mustBe } from '../shared/scim/wording.ts'
import type { Call, Handler } from './call.ts'
import { nameIn, type RefusedPart } from './refused-request.ts'
import { createResource, deleteResource, patchResource, replaceResource } from './resources.ts'

const methods = mustBe('POST, PUT, PATCH or DELETE')
const shortText = (longest: number) =>
	z.string(mustBe('a string')).max(longest, { error: `is longer than ${longest} characters` })

const bulkOperation = z.object(
	{
		method: z
			.string(methods)
			.toUpperCase()
			.pipe(z.enum(['POST', 'PUT', 'PATCH', 'DELETE'], methods)),
		path: shortText(1024),
		bulkId: shortText(256).min(1, { error: 'is empty' }).optional(),
		version: shortText(256).optional(),
		data: z.unknown().optional(),
	},
	mustBe('an object'),
)

const count = mustBe('a whole number, 1 or more')

const bulkRequest = z.object(
	{
		schemas: z.array(z.string(mustBe('a URN')), mustBe('a list')).nullish(),
		failOnErrors: z.int(count).min(1, count).optional(),
		Operations: z
			.array(bulkOperation, mustBe('a list'))
			.min(1, { error: 'is an empty list: it must have an operation' }),
	},
	mustBe('an object'),
)

type BulkOperation = z.infer<typeof bulkOperation>

/** The part of the response for one operation (RFC 7644 section 3.7.3). */
type BulkResult = Pick<BulkOperation, 'method' | 'bulkId'> & {
	readonly status: string
	readonly location?: string
	readonly version?: string
	readonly response?: unknown
}

/** A bulk request takes one unit of the tenant's rate for each ten operations. The last ten may be incomplete. */
const operationsPerUnit = 10

/** Milliseconds after which no operation begins. */
const longestBulk = 60_000

/**
 * RFC 7644 section 3.7. The operations run one after another; an operation that others refer to by `bulkId` runs first.
 * Every new resource gets its id before the first operation runs, so references may form a cycle. An operation that has not
 * begun after 60 seconds is answered 503.
 */
export const bulk: Handler = async (call) => {
	const { failOnErrors = Number.POSITIVE_INFINITY, Operations } = parse(await call.body())
	call.charge(Math.max(0, Math.ceil(Operations.length / operationsPerUnit) - 1))
	const references = idsOf(call, Operations)
	const results = new Map<BulkOperation, BulkResult>()
	const failed = new Set<string>()
	let errors = 0
	for (const operation of inOrderOfReferences(Operations)) {
		const isLate = call.elapsed() >= longestBulk
		const result = await run(call, operation, { references, failed, isLate })
		results.set(operation, result)
		if (isLate || Number(result.status) < 400) continue
		if (operation.bulkId !== undefined) failed.add(operation.bulkId)
		if (++errors >= failOnErrors) break
	}
	return {
		status: 200,
		body: {
			schemas: [urn.bulkResponse],
			Operations: Operations.flatMap((operation) => results.get(operation) ?? []),
		},
	}
}

function parse(body: unknown): z.infer<typeof bulkRequest> {
	const parsed = bulkRequest.safeParse(body)
	if (!parsed.success) throw invalidSyntax(firstProblem(parsed.error, 'the bulk request'), parsed.error)
	const { Operations } = parsed.data
	if (Operations.length > limits.maxOperations) {
		throw payloadTooLarge(`the bulk request has ${Operations.length} operations: ${limits.maxOperations} are allowed`)
	}
	return parsed.data
}

/** The bulkIds and the ids of their resources. */
type BulkReferences = ReadonlyMap<string, ResourceId>

function idsOf({ ids }: Call, operations: readonly BulkOperation[]): BulkReferences {
	const references = new Map<string, ResourceId>()
	for (const { method, path, bulkId } of operations) {
		if (method !== 'POST') continue
		if (bulkId === undefined) throw invalidValue('a POST in a bulk request needs a bulkId')
		if (references.has(bulkId)) throw invalidValue(`the bulkId "${bulkId}" is given twice`)
		// A path of another endpoint is refused when its operation runs, so its id does not matter.
		references.set(bulkId, ids(typeNamedBy(segmentsIn(path)) ?? 'User'))
	}
	return references
}

/** Depth first: an operation runs after the operations that it refers to, except in a cycle. */
function inOrderOfReferences(operations: readonly BulkOperation[]): readonly BulkOperation[] {
	const byBulkId = new Map(
		operations.flatMap((operation) => (operation.method === 'POST' ? [[operation.bulkId, operation]] : [])),
	)
	const ordered = new Set<BulkOperation>()
	const visited = new Set<BulkOperation>()
	const visit = (start: BulkOperation): void => {
		const stack = [{ operation: start, expanded: false }]
		for (let entry = stack.pop(); entry !== undefined; entry = stack.pop()) {
			const { operation, expanded } = entry
			if (expanded) {
				ordered.add(operation)
				continue
			}
			if (visited.has(operation)) continue
			visited.add(operation)
			stack.push({ operation, expanded: true })
			for (const bulkId of referencesIn(operation)) {
				const referred = byBulkId.get(bulkId)
				if (referred !== undefined) stack.push({ operation: referred, expanded: false })
			}
		}
	}
	for (const operation of operations) visit(operation)
	return [...ordered]
}

type BulkProgress = {
	readonly references: BulkReferences
	/** The bulkIds of the operations that have failed. */
	readonly failed: ReadonlySet<string>
	/** The bulk request has taken so long that no operation begins. */
	readonly isLate: boolean
}

async function run(
	call: Call,
	operation: BulkOperation,
	{ references, failed, isLate }: BulkProgress,
): Promise<BulkResult> {
	const { method, bulkId } = operation
	const result = { method, ...(bulkId !== undefined && { bulkId }) }
	// "REQUIRED in a response, except in the event of a POST failure."
	let location: string | undefined
	try {
		const missing = referencesIn(operation).find((reference) => failed.has(reference))
		if (missing !== undefined && !isLate) throw invalidValue(`bulkId:${missing} was not created`)
		const { type, id } = targetOf(operation, references)
		if (id !== '') location = locationOf(call.types[type], id, call.baseUrl)
		if (isLate) throw unavailable('the bulk request has taken too long: send this operation again', 1)
		const { status, headers } = await handlerOf(type, id, method)(callOf(call, operation, { id, references }))
		return {
			...result,
			...(headers?.ETag !== undefined && { version: headers.ETag }),
			...locationProperty(headers?.Location ?? location),
			status: String(status),
		}
	} catch (error) {
		const refusal = error instanceof ScimError ? error : call.fault(error)
		call.refused({ ...refusedOperation(operation, references), ...refusalOf(refusal) })
		return { ...result, ...locationProperty(location), status: String(refusal.status), response: refusal.toMessage() }
	}
}

const refusalOf = ({
	status,
	scimType,
	message,
}: ScimError): Pick<RefusedPart, 'status' | 'scimType' | 'sentence'> => ({
	status,
	...(scimType !== undefined && { scimType }),
	sentence: message,
})

/** What an operation asks for, also if its path is wrong. */
function refusedOperation(
	{ method, path, data }: BulkOperation,
	references: BulkReferences,
): Pick<RefusedPart, 'method' | 'path' | 'resourceId' | 'name'> {
	const segments = segmentsIn(path)
	const type = typeNamedBy(segments)
	const { endpoint = '' } = type === undefined ? {} : builtInTypes[type]
	const id = segments[1] ?? ''
	const resourceId = id.startsWith(prefix) ? references.get(id.slice(prefix.length)) : id
	return {
		method,
		path: id === '' ? endpoint : `${endpoint}/{id}`,
		...(resourceId !== undefined && resourceId !== '' && { resourceId }),
		...nameIn(data),
	}
}

const locationProperty = (location: string | undefined): Pick<BulkResult, 'location'> =>
	location === undefined ? {} : { location }

function handlerOf(type: TypeName, id: string, method: BulkOperation['method']): Handler {
	if ((method === 'POST') !== (id === '')) throw methodNotAllowed(`${method} is not supported on this path`, [])
	switch (method) {
		case 'POST':
			return createResource(type)
		case 'PUT':
			return replaceResource(type)
		case 'PATCH':
			return patchResource(type)
		case 'DELETE':
			return deleteResource(type)
	}
}

function callOf(
	{ ifMatch, ifNoneMatch, ...call }: Call,
	{ method, bulkId, data, version }: BulkOperation,
	{ id, references }: { readonly id: string; readonly references: BulkReferences },
): Call {
	const newId = id === '' && bulkId !== undefined ? references.get(bulkId) : undefined
	return {
		...call,
		params: { id },
		query: new URLSearchParams(),
		body: async () => resolve(method === 'PATCH' ? operationsAlone(data, call.quirks) : data, references),
		...(newId !== undefined && { newId }),
		...(version !== undefined && { ifMatch: version }),
	}
}

type BulkTarget = { readonly type: TypeName; readonly id: string }

/** Reads `/Users`, `/Users/2819c223` or `/Users/bulkId:qwerty`. A bulkId is replaced with the id that it stands for. */
function targetOf({ path }: Pick<BulkOperation, 'path'>, references: BulkReferences = new Map()): BulkTarget {
	const segments = segmentsIn(path)
	const type = typeNamedBy(segments)
	const [, id = '', ...rest] = segments
	if (type === undefined || rest.length > 0)
		throw invalidPath(`the path "${path}" is not the path of a user or a group`)
	return { type, id: resolveReference(id, references) }
}

const segmentsIn = (path: string): readonly string[] => path.replace(/^\//, '').split('/')

const typeNamedBy = ([endpoint = '']: readonly string[]): TypeName | undefined =>
	typeNames.find((name) => builtInTypes[name].endpoint.toLowerCase() === `/${endpoint}`.toLowerCase())

const prefix = 'bulkId:'

/** The bulkIds that an operation refers to, in its path and in its data. */
function referencesIn({ path, data }: BulkOperation): readonly string[] {
	const found: string[] = []
	const visit = (value: unknown): void => {
		if (typeof value === 'string' && value.startsWith(prefix)) found.push(value.slice(prefix.length))
		else if (typeof value === 'object' && value !== null) Object.values(value).forEach(visit)
	}
	visit([path.split('/').at(-1), data])
	return found
}

function resolve(value: unknown, references: BulkReferences): unknown {
	if (typeof value === 'string') return resolveReference(value, references)
	if (Array.isArray(value)) return value.map((element) => resolve(element, references))
	if (!isObject(value)) return value
	return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, resolve(inner, references)]))
}

function resolveReference(value: string, references: BulkReferences): string {
	if (!value.startsWith(prefix)) return value
	const id = references.get(value.slice(prefix.length))
	if (id === undefined) throw invalidValue(`no POST of this request has the ${value}`)
	return id
}
