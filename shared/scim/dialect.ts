import { jsonIn } from '../json-in.ts'
import type { Attribute } from './attribute.ts'
import type { CompareValue, Filter } from './filter/ast.ts'
import type { UndeclaredNames } from './undeclared-names.ts'
import { urn } from './urn.ts'

// What clients send that RFC 7643 and RFC 7644 do not allow, and that we understand all the same. There is one function
// for each deviation. It adds its name to the quirks of the request when it applies.

/** A tolerated deviation, by the name of the function that understands it. */
export type Quirk =
	| 'booleanFromString'
	| 'numberFromString'
	| 'stringFromScalar'
	| 'complexFromJson'
	| 'complexFromString'
	| 'singleFromList'
	| 'roleFromJson'
	| 'displayFromDisplayName'
	| 'operationsAlone'
	| 'emptySchemas'
	| 'urnInOtherSpelling'
	| 'operationInAnyCase'
	| 'namesInAnyCase'
	| 'elementFromFilter'
	| 'listOfSingle'
	| 'namesValuesToRemove'
	| 'unquotedValue'
	| 'unknownLeftOut'
	| 'unknownKept'

/**
 * The deviations tolerated in one request, in the order of their first appearance. The caller makes the set and keeps
 * it: it still holds what was tolerated if the parser then refuses the request.
 */
export type Quirks = Set<Quirk> & {
	/** The rule for what no schema declares; such parts are left out without it. */
	readonly undeclared?: UndeclaredNames
}

/**
 * Entra writes booleans as strings: `"active": "False"`.
 * https://learn.microsoft.com/entra/identity/app-provisioning/application-provisioning-config-problem-scim-compatibility
 */
export function booleanFromString(value: unknown, quirks: Quirks): unknown {
	const meant = readBoolean(value)
	if (meant !== value) quirks.add('booleanFromString')
	return meant
}

/** The boolean that "true" or "false" stands for, in any letter case; any other value as it is. */
export function readBoolean(value: unknown): unknown {
	if (typeof value !== 'string') return value
	const lower = value.toLowerCase()
	return lower === 'true' ? true : lower === 'false' ? false : value
}

/**
 * Entra's mapping expressions make strings, also for an attribute of a tenant's schema that is a number: `"level": "42"`.
 * https://learn.microsoft.com/entra/identity/app-provisioning/functions-for-customizing-application-data
 *
 * @returns the number; any other value as it is, also a string whose number JSON cannot hold without loss
 */
export function numberFromString({ type, isOwn }: Attribute, value: unknown, quirks: Quirks): unknown {
	if (!isOwn || typeof value !== 'string' || !(type === 'integer' ? wholeNumber : decimalNumber).test(value))
		return value
	const meant = Number(value)
	if (type === 'integer' && !Number.isSafeInteger(meant)) return value
	quirks.add('numberFromString')
	return meant
}

const wholeNumber = /^\s*[-+]?\d+(?:\.0*)?\s*$/
const decimalNumber = /^\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?\s*$/i

/**
 * Ping's clients write the numbers of an LDAP directory as numbers, also if the tenant's schema declares a string.
 * https://docs.pingidentity.com/pingdatasync/latest/
 */
export function stringFromScalar({ isOwn }: Attribute, value: unknown, quirks: Quirks): unknown {
	if (!isOwn || (typeof value !== 'number' && typeof value !== 'boolean')) return value
	quirks.add('stringFromScalar')
	return String(value)
}

/**
 * The client of SCIM-SDK writes complex values as JSON inside a string: `"members": "[{\"value\":\"2819c223\"}]"`.
 * https://github.com/Captain-P-Goldfish/SCIM-SDK/issues/404
 */
export function complexFromJson(attribute: Attribute, value: unknown, quirks: Quirks): unknown {
	if (attribute.type !== 'complex' || typeof value !== 'string' || !looksLikeJson(value)) return value
	const parsed = jsonIn(value)
	if (parsed === undefined) return value
	quirks.add('complexFromJson')
	return parsed
}

/**
 * Entra writes a manager or a member as its id alone: `"manager": "2819c223"`, `"members": ["2819c223"]`. Others write roles
 * like this. In other attributes a string is a mistake, and a string that looks like JSON is one everywhere.
 * https://learn.microsoft.com/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups
 * https://github.com/pingidentity/scim/issues/37
 */
export function complexFromString(attribute: Attribute, value: unknown, quirks: Quirks): unknown {
	if (typeof value !== 'string' || !writtenAsString.has(attribute.name) || looksLikeJson(value)) return value
	quirks.add('complexFromString')
	return { value }
}

const writtenAsString: ReadonlySet<string> = new Set(['manager', 'members', 'roles'])

/**
 * Entra writes a single complex value as a list of one: `"manager": [{"value": "2819c223"}]`. Older jobs write a simple
 * value like this too: `"displayName": [{"$ref": null, "value": "Babs"}]`. The client of SCIM-SDK writes `["de"]`.
 * https://learn.microsoft.com/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups
 * https://github.com/jelhub/scimgateway
 * https://github.com/Captain-P-Goldfish/SCIM-SDK/issues/968
 */
export function singleFromList(attribute: Attribute, value: unknown, quirks: Quirks): unknown {
	if (!Array.isArray(value) || value.length !== 1) return value
	const element: unknown = value[0]
	quirks.add('singleFromList')
	const hasValue = typeof element === 'object' && element !== null && 'value' in element
	return attribute.type !== 'complex' && hasValue ? element.value : element
}

/**
 * Entra's AppRoleAssignmentsComplex writes a role as JSON inside a string:
 * `"roles": [{"value": "{\"id\":\"06b0\",\"value\":\"25\",\"displayName\":\"Admin\"}"}]`.
 * https://learn.microsoft.com/entra/identity/app-provisioning/customize-application-attributes
 */
export function roleFromJson(
	attribute: Attribute,
	element: Readonly<Record<string, unknown>>,
	quirks: Quirks,
): Readonly<Record<string, unknown>> {
	if (attribute.name !== 'roles' || !attribute.subAttributes.has('display')) return element
	if (typeof element.value !== 'string' || !element.value.startsWith('{')) return element
	const role = parsedObject(element.value)
	// A string that only looks like a role in JSON stays a string.
	if (typeof role?.value !== 'string') return element
	quirks.add('roleFromJson')
	const { displayName, ...rest } = role
	return { ...element, ...rest, ...(displayName !== undefined && { display: displayName }) }
}

/**
 * Entra's roles and the reference client's members carry `displayName`, although the attribute is called `display`.
 * https://learn.microsoft.com/entra/identity/app-provisioning/customize-application-attributes
 */
export function displayFromDisplayName({ subAttributes }: Attribute, name: string, quirks: Quirks): string {
	if (name.toLowerCase() !== 'displayname' || !subAttributes.has('display') || subAttributes.has('displayname')) {
		return name
	}
	quirks.add('displayFromDisplayName')
	return 'display'
}

/**
 * RFC 7644 section 3.7.3 itself prints the `data` of a PATCH in a bulk request as the bare list of its operations. Clients
 * that follow the example send it so.
 * https://www.rfc-editor.org/rfc/rfc7644#section-3.7.3
 */
export function operationsAlone(data: unknown, quirks: Quirks): unknown {
	if (!Array.isArray(data)) return data
	quirks.add('operationsAlone')
	return { Operations: data }
}

/**
 * Clients of generated models send `"schemas": []` if nothing has set it. RFC 7643 section 3 requires the URN of the message.
 * https://github.com/python-scim/scim2-models/issues/93
 */
export function emptySchemas(schemas: readonly unknown[], quirks: Quirks): void {
	if (schemas.length === 0) quirks.add('emptySchemas')
}

/**
 * Entra's older jobs (`customappsso`) write a dot after the URN of a schema: `urn:…:enterprise:2.0:User.department`. Others
 * write it before the last word of the URN: `urn:…:enterprise:2.0.User`. OneLogin writes the names of SCIM 1 and of drafts:
 * `urn:scim:schemas:extension:enterprise:1.0:department`.
 * https://learn.microsoft.com/entra/identity/app-provisioning/application-provisioning-config-problem-scim-compatibility
 * https://developers.onelogin.com/scim/define-user-schema
 *
 * @returns the name with the URN of RFC 7643. A core name of SCIM 1 loses its URN, which stands for users and groups alike.
 */
export function urnInOtherSpelling(name: string, quirks: Quirks): string {
	const meant = dottedUrn(name) ?? oldUrn(name) ?? name
	if (meant !== name) quirks.add('urnInOtherSpelling')
	return meant
}

const dotted = /^(urn:ietf:params:scim:schemas:(?:core|extension:enterprise):2\.0)[:.](user|group)(?:[:.](.+))?$/i

function dottedUrn(name: string): string | undefined {
	const [, start, word, rest] = dotted.exec(name) ?? []
	if (start === undefined || word === undefined) return undefined
	return rest === undefined ? `${start}:${word}` : `${start}:${word}:${rest}`
}

const old = /^urn:scim:schemas:(core|extension:enterprise):[12]\.0(?::(?:user|group))?(?:[:.](.+))?$/i

function oldUrn(name: string): string | undefined {
	const [, schema, rest] = old.exec(name) ?? []
	if (schema === undefined || schema.toLowerCase() === 'core') return rest
	return rest === undefined ? urn.enterpriseUser : `${urn.enterpriseUser}:${rest}`
}

/**
 * Entra writes the operations `Add`, `Replace` and `Remove`.
 * https://learn.microsoft.com/entra/identity/app-provisioning/application-provisioning-config-problem-scim-compatibility
 */
export function operationInAnyCase(op: string, quirks: Quirks): string {
	const lower = op.toLowerCase()
	if (lower !== op) quirks.add('operationInAnyCase')
	return lower
}

/**
 * The reference client writes names in any letter case, and other clients write `operations` for `Operations`.
 * https://github.com/AzureAD/SCIMReferenceCode
 */
export function namesInAnyCase(
	object: Readonly<Record<string, unknown>>,
	quirks: Quirks,
): Readonly<Record<string, unknown>> {
	const entries = Object.entries(object).map(([name, value]) => {
		const lower = name.toLowerCase()
		if (name !== (lower === 'operations' ? 'Operations' : lower)) quirks.add('namesInAnyCase')
		return [lower, value] as const
	})
	return Object.fromEntries(entries)
}

/**
 * Microsoft's documentation and test collection leave out the quotes of strings in filters: `externalId eq jyoung`.
 * https://learn.microsoft.com/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups
 */
export function unquotedValue(value: CompareValue, quirks: Quirks): CompareValue {
	if (typeof value === 'string') quirks.add('unquotedValue')
	return value
}

/**
 * Entra adds and replaces through a filter that matches nothing yet, and expects the service to make the element:
 * `{"op": "Add", "path": "emails[type eq \"work\"].value", "value": "a@b.c"}`. RFC 7644 section 3.5.2.3 says `noTarget`.
 * https://learn.microsoft.com/answers/questions/120490/patch-request-in-scim-with-azure-ad
 *
 * @returns what the filter says about the new element; undefined if the filter is more than `eq` and `and`
 */
export function elementFromFilter(filter: Filter, quirks: Quirks): Readonly<Record<string, CompareValue>> | undefined {
	const element = literalsOf(filter)
	if (element !== undefined) quirks.add('elementFromFilter')
	return element
}

/**
 * Entra filters a single value as if it were a list: `{"op": "remove", "path": "manager[value eq \"2819c223\"]"}`.
 * https://github.com/thomaspoignant/scim-patch/issues/453
 */
export function listOfSingle(value: unknown, quirks: Quirks): readonly unknown[] {
	quirks.add('listOfSingle')
	return value === undefined ? [] : [value]
}

/**
 * Entra removes values by naming them instead of by a filter:
 * `{"op": "Remove", "path": "members", "value": [{"value": "2819c223"}]}`. RFC 7644 section 3.5.2.2 knows no value there
 * and would remove all members.
 * https://learn.microsoft.com/entra/identity/app-provisioning/application-provisioning-config-problem-scim-compatibility
 */
export function namesValuesToRemove({ value }: { readonly value?: unknown }, quirks: Quirks): boolean {
	if (value === undefined || value === null || value === '') return false
	quirks.add('namesValuesToRemove')
	return true
}

/**
 * Clients send attributes that the schema does not have, also as the path of an operation: Entra those of its mappings,
 * Okta `password`. Nothing of them is stored, and the rest of the request is done. Otherwise a custom attribute would cost
 * the `"active": false` beside it.
 * https://learn.microsoft.com/entra/identity/app-provisioning/customize-application-attributes
 * https://developer.okta.com/docs/api/openapi/okta-scim/guides/scim-20/
 */
export function unknownLeftOut(quirks: Quirks): undefined {
	quirks.add('unknownLeftOut')
	return undefined
}

function literalsOf(filter: Filter): Readonly<Record<string, CompareValue>> | undefined {
	if (filter.kind === 'attributeExpression') {
		const isLiteral = filter.operator === 'eq' && filter.path.sub === undefined
		return isLiteral ? { [filter.path.name]: filter.value } : undefined
	}
	if (filter.kind !== 'logicalExpression' || filter.operator !== 'and') return undefined
	const element: Record<string, CompareValue> = {}
	for (const operand of filter.operands) {
		const part = literalsOf(operand)
		if (part === undefined) return undefined
		Object.assign(element, part)
	}
	return element
}

const looksLikeJson = (text: string): boolean => /^\s*[[{]/.test(text)

function parsedObject(json: string): Readonly<Record<string, unknown>> | undefined {
	const value = jsonIn(json)
	return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined
}
