import * as z from 'zod'
import { type Attribute, declareAttribute } from '../attribute.ts'
import { emptySchemas, namesInAnyCase, operationInAnyCase, type Quirks, urnInOtherSpelling } from '../dialect.ts'
import { invalidPath, invalidSyntax, invalidValue, mutability, noTarget, payloadTooLarge, ScimError } from '../error.ts'
import { checkElementFilter, namesUnknown } from '../filter/match.ts'
import { type Path, parsePath } from '../path.ts'
import {
	findExtension,
	type ResolvedAttribute,
	type ResourceType,
	resolveAttribute,
	type Schema,
	sameUrn,
} from '../resource-type.ts'
import { shown } from '../shown.ts'
import { meetUndeclared } from '../undeclared.ts'
import { urn } from '../urn.ts'
import { isMembers, isObject, isUnassigned, type JsonObject } from '../value.ts'
import { firstProblem, mustBe } from '../wording.ts'
import type { PatchOperation, PatchTarget } from './operation.ts'
import { atOperation, refusedAt } from './place.ts'

/** The most changes in one request. Each attribute in a value without a path counts as one change. */
export const maxOperations = 1000

const operationSchema = z.object(
	{
		op: z.enum(['add', 'replace', 'remove'], mustBe('add, replace or remove')),
		path: z.string(mustBe('a string')).nullish(),
		value: z.unknown().optional(),
	},
	mustBe('an object'),
)

type PatchMessageOperation = z.infer<typeof operationSchema>

const messageSchema = z.object(
	{
		schemas: z
			.array(z.unknown(), mustBe('a list'))
			.refine(
				(schemas) =>
					schemas.length === 0 || schemas.some((schema) => typeof schema === 'string' && sameUrn(schema, urn.patchOp)),
				{ error: ({ input }) => `must have ${urn.patchOp}, not ${firstOf(input)}` },
			)
			.nullish(),
		operations: z
			.array(operationSchema, mustBe('a list'))
			.min(1, { error: 'is an empty list: it must have an operation' }),
	},
	mustBe('an object'),
)

/** The first URN of `schemas`, at most 100 characters. */
const firstOf = (schemas: unknown): string => {
	const [first] = Array.isArray(schemas) ? schemas : []
	return typeof first === 'string' ? JSON.stringify(first.slice(0, 100)) : shown(first)
}

/**
 * Reads the operations of a PATCH message (RFC 7644 section 3.5.2), in order. An operation without a path becomes one
 * operation for each attribute that its value names. A message without `schemas` is understood.
 *
 * @throws ScimError 400 `invalidSyntax`, `invalidPath`, `invalidValue`, `noTarget`, `mutability`, and 413
 */
export function parsePatch(body: unknown, type: ResourceType, quirks: Quirks): readonly PatchOperation[] {
	const message = messageSchema.safeParse(messageInSchemaCase(body, quirks))
	if (!message.success)
		throw invalidSyntax(firstProblem(message.error, 'the body').replace(/^operations/, 'Operations'), message.error)
	emptySchemas(message.data.schemas ?? [urn.patchOp], quirks)
	const operations = parseOperations(message.data.operations, type, quirks)
	if (Math.max(operations.length, message.data.operations.length) > maxOperations)
		throw payloadTooLarge(`a PATCH may make at most ${maxOperations} changes`)
	return operations
}

/** The message with its names and operations in the letter case of the schemas above; the values are left as they are. */
function messageInSchemaCase(body: unknown, quirks: Quirks): unknown {
	if (!isObject(body)) return body
	const message = objectInSchemaCase(body, quirks)
	const { operations } = message
	if (!Array.isArray(operations)) return message
	return {
		...message,
		operations: operations.map((operation, index) =>
			atOperation(placeOf(index), () => operationInSchemaCase(operation, quirks)),
		),
	}
}

const placeOf = (index: number): string => `Operations[${index}]`

function operationInSchemaCase(input: unknown, quirks: Quirks): unknown {
	if (!isObject(input)) return input
	const operation = objectInSchemaCase(input, quirks)
	return typeof operation.op === 'string' ? { ...operation, op: operationInAnyCase(operation.op, quirks) } : operation
}

/** Refuses an object that has one name in two letter cases, because the meaning would be ambiguous. */
function objectInSchemaCase(object: JsonObject, quirks: Quirks): JsonObject {
	const names = new Set<string>()
	for (const name of Object.keys(object)) {
		const lower = name.toLowerCase()
		if (names.has(lower))
			throw invalidSyntax(`the PATCH has the name ${JSON.stringify(name.slice(0, 100))} twice in one object`)
		names.add(lower)
	}
	return namesInAnyCase(object, quirks)
}

/** Reads all operations before it refuses one of them, so that the quirks tell of every part that was left out. */
function parseOperations(
	operations: readonly PatchMessageOperation[],
	type: ResourceType,
	quirks: Quirks,
): readonly PatchOperation[] {
	const errors: unknown[] = []
	const parsed = operations.flatMap((operation, index) => {
		const at = placeOf(index)
		try {
			return parseOperation(operation, { type, at, quirks })
		} catch (error) {
			errors.push(refusedAt(at, error))
			return []
		}
	})
	if (errors.length > 0) throw errors[0]
	return parsed
}

type OperationContext = { readonly type: ResourceType; readonly at: string; readonly quirks: Quirks }

function parseOperation(operation: PatchMessageOperation, context: OperationContext): readonly PatchOperation[] {
	const { type, at } = context
	const { op, path, value } = operation
	const hasValue = Object.hasOwn(operation, 'value')
	if (op !== 'remove' && !hasValue) throw invalidValue(`${at}: ${op} must have a value`)
	if (!path) {
		if (op === 'remove') throw noTarget(`${at}: remove must have a path`)
		if (!isObject(value))
			throw invalidValue(`${at}.value must be an object, since there is no path; it is ${shown(value)}`)
		return operationsByPath(op, value, context)
	}
	const extension = findExtension(type, urnInOtherSpelling(path, context.quirks))
	if (extension !== undefined) return extensionOperations(operation, extension, context)
	const found = findTarget({ text: path, value }, context)
	if (found === undefined) return []
	const { target, value: input } = found
	if (isReadOnly(target)) throw mutability(`${path} is read-only`)
	return op === 'remove' ? [{ op, target, at, ...(hasValue && { value: input }) }] : [{ op, target, at, value: input }]
}

/**
 * Reads the names in a value without a path as paths. Entra writes `name.givenName` and
 * `urn:…:enterprise:2.0:User:department` there; RFC 7644 allows only names of attributes. Read-only attributes are left
 * out, as in a POST body.
 * https://learn.microsoft.com/entra/identity/app-provisioning/application-provisioning-config-problem-scim-compatibility
 */
function operationsByPath(
	op: 'add' | 'replace',
	values: JsonObject,
	context: OperationContext,
): readonly PatchOperation[] {
	return Object.entries(values).flatMap(([name, value]) => {
		const extension = findExtension(context.type, urnInOtherSpelling(name, context.quirks))
		if (extension !== undefined) return extensionOperations({ op, value }, extension, context)
		const found = findTarget({ text: name, value }, context)
		return found === undefined || isReadOnly(found.target) ? [] : [{ op, at: context.at, ...found }]
	})
}

/** If the path is the URN of an extension, it stands for all attributes of the extension. */
function extensionOperations(
	{ op, value }: Pick<PatchMessageOperation, 'op' | 'value'>,
	extension: Schema,
	context: OperationContext,
): readonly PatchOperation[] {
	if (op === 'remove' || (op === 'replace' && isUnassigned(value))) {
		const removals: readonly PatchOperation[] = [...extension.attributes.values()].map((attribute) => ({
			op: 'remove',
			at: context.at,
			target: { extension, attribute, text: `${extension.urn}:${attribute.name}` },
		}))
		if (context.quirks.undeclared?.rule !== 'keep') return removals
		return [
			...removals,
			{ op: 'remove', at: context.at, target: { attribute: noAttribute(''), text: extension.urn, isUndeclared: true } },
		]
	}
	if (isUnassigned(value)) return []
	if (!isObject(value)) throw invalidValue(`${extension.urn} must be an object, not ${shown(value)}`)
	const entries = Object.entries(value).map(([name, inner]) => [`${extension.urn}:${name}`, inner] as const)
	return operationsByPath(op, Object.fromEntries(entries), context)
}

/** The path of an operation and its value, as the client sent them. */
type SentOperation = { readonly text: string; readonly value: unknown }

type FoundTarget = { readonly target: PatchTarget; readonly value: unknown }

/** The target that a path names. Undefined if it is left out, because no schema declares such an attribute. */
function findTarget(sent: SentOperation, { type, quirks }: OperationContext): FoundTarget | undefined {
	const { text, value } = sent
	const parsed = parseKnownPath(text, quirks)
	if (parsed === undefined) return undeclaredTarget(sent, quirks)
	const { path, filter } = parsed
	const { sub: _, ...whole } = path
	const attribute = resolveAttribute(type, whole)?.attribute
	if (attribute === undefined) return undeclaredTarget(sent, quirks)
	requireParts(attribute, parsed, text)
	const resolved = resolveAttribute(type, path) ?? partTarget(sent, { type, quirks, path })
	if (resolved === undefined) return undefined
	if (filter === undefined) return { target: requireMutable({ ...resolved, text }), value }
	if (namesUnknown(filter, attribute)) return leftOut(sent, quirks)
	checkElementFilter(filter, attribute, quirks)
	return { target: requireMutable({ ...resolved, filter, text }), value }
}

/** Refuses parts of a simple value. An element of a list of simple values has one part, its `value`. */
function requireParts(attribute: Attribute, { path: { sub }, filter }: Path, text: string): void {
	if (attribute.type === 'complex') return
	if (!attribute.multiValued && (filter !== undefined || sub !== undefined)) {
		throw invalidPath(`${text}: ${attribute.name} has no sub-attributes`)
	}
	const hasOther = sub !== undefined && sub.toLowerCase() !== 'value'
	if (hasOther || (filter !== undefined && namesUnknown(filter, attribute))) {
		throw invalidPath(`${text}: the values of ${attribute.name} are simple, and their only part is value`)
	}
}

/** The target of a whole path that no schema declares. */
function undeclaredTarget(sent: SentOperation, quirks: Quirks): FoundTarget | undefined {
	const text = urnInOtherSpelling(sent.text, quirks)
	const kept = meetUndeclared({ path: text, value: sent.value, quirks, refuse: invalidPath })
	return kept && { target: { attribute: noAttribute(''), text, isUndeclared: true }, value: kept.value }
}

/** The target of a part of a declared attribute that no schema declares. */
function partTarget(
	{ text, value }: SentOperation,
	{ type, quirks, path }: Pick<OperationContext, 'type' | 'quirks'> & Pick<Path, 'path'>,
): ResolvedAttribute | undefined {
	const { sub = '', ...whole } = path
	const resolved = resolveAttribute(type, whole)
	const hasPlace =
		resolved !== undefined && !isMembers(resolved.attribute) && resolved.attribute.mutability !== 'readOnly'
	const name = text.replace(/\[.*\]/, '')
	const kept = meetUndeclared({ path: name, value, quirks, hasPlace, refuse: invalidPath })
	return kept && resolved && { ...resolved, subAttribute: noAttribute(sub) }
}

/** A filter cannot ask for what no schema declares, so that an operation on what it finds is left out. */
function leftOut({ text, value }: SentOperation, quirks: Quirks): undefined {
	meetUndeclared({ path: text.replace(/\[.*\]/, ''), value, quirks, hasPlace: false, refuse: invalidPath })
}

/** Stands for the attribute of a path that no schema declares. */
const noAttribute = (name: string): Attribute =>
	declareAttribute({
		name,
		type: 'string',
		description: '',
		multiValued: false,
		subAttributes: new Map(),
		isOwn: false,
		isEnforced: false,
	})

/** Undefined for a text that no attribute can have as its path, like `@odata.type`. A bracket was meant to be a path. */
function parseKnownPath(text: string, quirks: Quirks): Path | undefined {
	try {
		return parsePath(text, quirks)
	} catch (error) {
		if (error instanceof ScimError && error.scimType === 'invalidPath' && !text.includes('[')) return undefined
		throw error
	}
}

const isReadOnly = ({ attribute, subAttribute }: PatchTarget): boolean =>
	attribute.mutability === 'readOnly' || subAttribute?.mutability === 'readOnly'

function requireMutable(target: PatchTarget): PatchTarget {
	if (target.subAttribute?.mutability === 'immutable') throw mutability(`${target.text} cannot be changed`)
	return target
}
