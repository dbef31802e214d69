import type { Attribute } from './attribute.ts'
import type { CompareValue, Filter } from './filter/ast.ts'

// What clients send that RFC 7643 and RFC 7644 do not allow, and that we understand all the same. There is one function
// for each deviation. It adds its name to the quirks of the request when it applies.

/** A tolerated deviation, by the name of the function that understands it. */
export type Quirk =
	| 'booleanFromString'
	| 'complexFromString'
	| 'singleFromList'
	| 'roleFromJson'
	| 'displayFromDisplayName'
	| 'operationInAnyCase'
	| 'namesInAnyCase'
	| 'elementFromFilter'
	| 'listOfSingle'
	| 'namesValuesToRemove'

/**
 * The deviations tolerated in one request, in the order of their first appearance. The caller makes the set and keeps
 * it: it still holds what was tolerated if the parser then refuses the request.
 */
export type Quirks = Set<Quirk>

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
 * Entra writes a complex value that has a `value` as that value alone: `"manager": "2819c223"`, `"members": ["2819c223"]`.
 * https://learn.microsoft.com/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups
 */
export function complexFromString(attribute: Attribute, value: unknown, quirks: Quirks): unknown {
	if (typeof value !== 'string' || !attribute.subAttributes.has('value')) return value
	quirks.add('complexFromString')
	return { value }
}

/**
 * Entra writes a single complex value as a list of one: `"manager": [{"value": "2819c223"}]`. Older jobs write a simple
 * value like this too: `"displayName": [{"$ref": null, "value": "Babs"}]`.
 * https://learn.microsoft.com/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups
 * https://github.com/jelhub/scimgateway
 */
export function singleFromList(attribute: Attribute, value: unknown, quirks: Quirks): unknown {
	if (!Array.isArray(value) || value.length !== 1) return value
	const element: unknown = value[0]
	const isComplex = attribute.type === 'complex'
	const hasValue = typeof element === 'object' && element !== null && 'value' in element
	if (!isComplex && !hasValue) return value
	quirks.add('singleFromList')
	return isComplex || !hasValue ? element : element.value
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
	if (attribute.name !== 'roles' || typeof element.value !== 'string' || !element.value.startsWith('{')) return element
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

function parsedObject(json: string): Readonly<Record<string, unknown>> | undefined {
	try {
		const value: unknown = JSON.parse(json)
		return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined
	} catch (error) {
		if (error instanceof SyntaxError) return undefined
		throw error
	}
}
