import * as z from 'zod'
import { namesInAnyCase, operationInAnyCase, type Quirks } from '../dialect.ts'
import { invalidPath, invalidSyntax, invalidValue, mutability, noTarget, payloadTooLarge, ScimError } from '../error.ts'
import { checkElementFilter } from '../filter/match.ts'
import { didYouMean } from '../nearest-attribute.ts'
import { parsePath } from '../path.ts'
import { findExtension, type ResourceType, resolveAttribute, type Schema, sameUrn } from '../resource-type.ts'
import { shown } from '../shown.ts'
import { urn } from '../urn.ts'
import { isObject, isUnassigned, type JsonObject } from '../value.ts'
import type { PatchOperation, PatchTarget } from './operation.ts'

/** The most changes in one request. Each attribute in a value without a path counts as one change. */
export const maxOperations = 1000

const operationSchema = z.object(
	{
		op: z.enum(['add', 'replace', 'remove'], { error: 'must be add, replace or remove' }),
		path: z.string({ error: 'must be a string' }).nullish(),
		value: z.unknown().optional(),
	},
	{ error: 'must be an object' },
)

type PatchMessageOperation = z.infer<typeof operationSchema>

const messageSchema = z.object(
	{
		schemas: z
			.array(z.unknown(), { error: 'must be an array' })
			.refine((schemas) => schemas.some((schema) => typeof schema === 'string' && sameUrn(schema, urn.patchOp)), {
				error: `must have ${urn.patchOp}`,
			})
			.nullish(),
		operations: z.array(operationSchema, { error: 'must be an array' }),
	},
	{ error: 'must be an object' },
)

/**
 * Reads the operations of a PATCH message (RFC 7644 section 3.5.2), in order. An operation without a path becomes one
 * operation for each attribute that its value names. A message without `schemas` is understood.
 *
 * @throws ScimError 400 `invalidSyntax`, `invalidPath`, `invalidValue`, `noTarget`, `mutability`, and 413
 */
export function parsePatch(body: unknown, type: ResourceType, quirks: Quirks): readonly PatchOperation[] {
	const message = messageSchema.safeParse(messageInSchemaCase(body, quirks))
	if (!message.success) throw refusal(message.error)
	const operations = message.data.operations.flatMap((operation, index) =>
		parseOperation(operation, { type, at: `Operations[${index}]`, quirks }),
	)
	if (operations.length > maxOperations) throw payloadTooLarge(`a PATCH may make at most ${maxOperations} changes`)
	return operations
}

/** The message with its names and operations in the letter case of the schemas above; the values are left as they are. */
function messageInSchemaCase(body: unknown, quirks: Quirks): unknown {
	if (!isObject(body)) return body
	const message = objectInSchemaCase(body, quirks)
	const { operations } = message
	if (!Array.isArray(operations)) return message
	return { ...message, operations: operations.map((operation) => operationInSchemaCase(operation, quirks)) }
}

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

function refusal(error: z.ZodError): ScimError {
	const [issue] = error.issues
	const steps = (issue?.path ?? []).map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`))
	const where = steps.join('').slice(1).replace('operations', 'Operations')
	return invalidSyntax(`${where === '' ? 'the body' : where} ${issue?.message}`, error)
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
	const extension = findExtension(type, path)
	if (extension !== undefined) return extensionOperations(operation, extension, context)
	const target = requireTarget(path, context)
	return op === 'remove' ? [{ op, target, ...(hasValue && { value }) }] : [{ op, target, value }]
}

/**
 * Reads the names in a value without a path as paths. Entra writes `name.givenName` and
 * `urn:…:enterprise:2.0:User:department` there; RFC 7644 allows only names of attributes. Unknown names and read-only
 * attributes are left out, as in a POST body.
 * https://learn.microsoft.com/entra/identity/app-provisioning/application-provisioning-config-problem-scim-compatibility
 */
function operationsByPath(
	op: 'add' | 'replace',
	values: JsonObject,
	context: OperationContext,
): readonly PatchOperation[] {
	return Object.entries(values).flatMap(([name, value]) => {
		const extension = findExtension(context.type, name)
		if (extension !== undefined) return extensionOperations({ op, value }, extension, context)
		const target = findWritable(name, context)
		return target === undefined ? [] : [{ op, target, value }]
	})
}

/** If the path is the URN of an extension, it stands for all attributes of the extension. */
function extensionOperations(
	{ op, value }: Pick<PatchMessageOperation, 'op' | 'value'>,
	extension: Schema,
	context: OperationContext,
): readonly PatchOperation[] {
	if (op === 'remove' || (op === 'replace' && isUnassigned(value))) {
		return [...extension.attributes.values()].map((attribute) => ({
			op: 'remove',
			target: { extension, attribute, text: `${extension.urn}:${attribute.name}` },
		}))
	}
	if (isUnassigned(value)) return []
	if (!isObject(value)) throw invalidValue(`${extension.urn} must be an object, not ${shown(value)}`)
	const entries = Object.entries(value).map(([name, inner]) => [`${extension.urn}:${name}`, inner] as const)
	return operationsByPath(op, Object.fromEntries(entries), context)
}

function findWritable(name: string, context: OperationContext): PatchTarget | undefined {
	try {
		const target = findTarget(name, context)
		return target !== undefined && !isReadOnly(target) ? requireMutable(target) : undefined
	} catch (error) {
		// A name that cannot be a path is unknown, like `@odata.type`. A name with a bracket was meant to be a path.
		if (error instanceof ScimError && error.scimType === 'invalidPath' && !name.includes('[')) return undefined
		throw error
	}
}

function requireTarget(path: string, context: OperationContext): PatchTarget {
	const target = findTarget(path, context)
	if (target === undefined) throw unknownAttribute(path, context)
	if (isReadOnly(target)) throw mutability(`${path} is read-only`)
	return requireMutable(target)
}

function unknownAttribute(text: string, { type, at }: OperationContext): ScimError {
	const guess = didYouMean([type], parsePath(text).path)
	return invalidPath(`${at}.path: ${type.name} has no attribute "${text}"${guess}`)
}

function findTarget(text: string, { type, quirks }: OperationContext): PatchTarget | undefined {
	const { path, filter } = parsePath(text)
	const resolved = resolveAttribute(type, path)
	if (resolved === undefined || filter === undefined) return resolved && { ...resolved, text }
	if (resolved.attribute.type !== 'complex')
		throw invalidPath(`${text}: ${resolved.attribute.name} has no sub-attributes`)
	checkElementFilter(filter, resolved.attribute, quirks)
	return { ...resolved, filter, text }
}

const isReadOnly = ({ attribute, subAttribute }: PatchTarget): boolean =>
	attribute.mutability === 'readOnly' || subAttribute?.mutability === 'readOnly'

function requireMutable(target: PatchTarget): PatchTarget {
	if (target.subAttribute?.mutability === 'immutable') throw mutability(`${target.text} cannot be changed`)
	return target
}
