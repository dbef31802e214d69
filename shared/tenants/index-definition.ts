import * as z from 'zod'
import { unavailable } from '../scim/error.ts'
import type { OwnIndex, ResourceType } from '../scim/resource-type.ts'
import type { Row } from '../storage/table/tables.ts'

// The indexes of a tenant's own are listed in the tenant's row, each with its stage. An instance of the app keeps that row
// for up to a minute, and a request takes up to three. So for some minutes after a stage has begun, other instances still
// work by the stage before it. Each stage that others must know of lasts ten minutes at least:
//
// | Stage     | Writers                 | Readers    | The stage ends when                                          |
// |-----------|-------------------------|------------|--------------------------------------------------------------|
// | announced | keep the index's rows   | do not use | every writer keeps the rows                                  |
// | filling   | keep the index's rows   | do not use | each user with a value has a row                             |
// | complete  | keep the index's rows   | use        | an administrator removes the index                           |
// | leaving   | keep the index's rows   | do not use | no reader uses the index                                     |
// | removing  | drop the index's rows   | do not use | no writer keeps the rows, and all rows are gone              |
//
// A user's own row names the user's rows in the indexes. So a writer that does not know an index yet, or any more, removes
// its rows of the user whom it writes, and leaves none behind.

const stages = ['announced', 'filling', 'complete', 'leaving', 'removing'] as const

export type IndexStage = (typeof stages)[number]

const definition = z.strictObject({
	/** Made of the time, so that no two indexes of a tenant have the same. */
	name: z.string().regex(/^o[0-9a-z]+$/),
	slot: z.int().min(0).max(4),
	path: z.strictObject({ uri: z.string().optional(), name: z.string(), sub: z.string().optional() }),
	type: z.enum(['string', 'integer']),
	caseExact: z.boolean(),
	isUnique: z.boolean(),
	stage: z.enum(stages),
	/** When the stage began, in milliseconds since 1970. */
	since: z.int(),
	/** While it is filled: the id of the last user that is done, and how many users are. */
	position: z.string(),
	users: z.int(),
	/** While it is filled or cleared: which process does so, and when the process last said so. */
	worker: z.string(),
	worked: z.int(),
})

/** An index of a tenant's own, and how far it has come. */
export type IndexDefinition = z.infer<typeof definition>

/** What a tenant's row says of its own indexes; `unknown` if this version cannot read it. */
export type IndexDefinitions = readonly IndexDefinition[] | 'unknown'

/** Reads the indexes in a tenant's row. It never fails, so that one damaged row does not hide the other tenants. */
export function indexesOf({ indexes }: Row): IndexDefinitions {
	if (indexes === undefined || indexes === '') return []
	if (typeof indexes !== 'string') return 'unknown'
	try {
		return z.array(definition).parse(JSON.parse(indexes))
	} catch {
		return 'unknown'
	}
}

/** The property of a tenant's row that lists its indexes. */
export const indexProperties = (indexes: readonly IndexDefinition[]) => ({ indexes: JSON.stringify(indexes) })

/** Why an app cannot serve a tenant with these indexes, and what to do; undefined if it can. */
export const indexProblem = (indexes: IndexDefinitions): string | undefined =>
	indexes === 'unknown'
		? 'The property indexes in the row of this tenant in the table tenants is damaged, or of a newer version of Rollcall. Deploy the newer version, or put the property right.'
		: undefined

/** @throws ScimError 503 */
export function requireKnownIndexes(indexes: IndexDefinitions): asserts indexes is readonly IndexDefinition[] {
	const problem = indexProblem(indexes)
	if (problem !== undefined) throw unavailable(problem, retryAfterSeconds)
}

const retryAfterSeconds = 60

const kept: readonly IndexStage[] = ['announced', 'filling', 'complete', 'leaving']

/** An index as storage takes it. */
export const ownIndexOf = ({ name, slot, path, type, caseExact, isUnique, stage }: IndexDefinition): OwnIndex => ({
	name,
	slot,
	path: {
		name: path.name,
		...(path.uri !== undefined && { uri: path.uri }),
		...(path.sub !== undefined && { sub: path.sub }),
	},
	type,
	caseExact,
	isUnique,
	isKept: kept.includes(stage),
	isComplete: stage === 'complete',
})

/** The type of users with the indexes of a tenant. */
export const withIndexes = (type: ResourceType, indexes: IndexDefinitions): ResourceType =>
	indexes === 'unknown' || indexes.length === 0 ? type : { ...type, indexes: indexes.map(ownIndexOf) }
