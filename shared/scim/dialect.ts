import type { Attribute } from './attribute.ts'
import type { CompareValue, Filter } from './filter/ast.ts'

// What clients send that RFC 7643 and RFC 7644 do not allow and that we understand all the same. One function each.

/** A deviation that was tolerated, by the name of the function that understands it. */
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

let tell: (quirk: Quirk) => void = () => undefined

/** Has somebody told of every deviation as it is tolerated, within the call that tolerates it. */
export function onTolerated(listener: (quirk: Quirk) => void): void {
	tell = listener
}

/** What a value is understood as, which is a deviation where it is not the value itself. */
function understood<T>(quirk: Quirk, value: unknown, meant: T): T {
	if (meant !== value) tell(quirk)
	return meant
}

/**
 * Entra writes booleans as strings: `"active": "False"`.
 * https://learn.microsoft.com/entra/identity/app-provisioning/application-provisioning-config-problem-scim-compatibility
 */
export function booleanFromString(value: unknown): unknown {
	if (typeof value !== 'string') return value
	const lower = value.toLowerCase()
	return understood('booleanFromString', value, lower === 'true' ? true : lower === 'false' ? false : value)
}

/**
 * Entra writes a complex value that has a `value` as that value alone: `"manager": "2819c223"`, `"members": ["2819c223"]`.
 * https://learn.microsoft.com/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups
 */
export function complexFromString(attribute: Attribute, value: unknown): unknown {
	const isBare = typeof value === 'string' && attribute.subAttributes.has('value')
	return understood('complexFromString', value, isBare ? { value } : value)
}

/**
 * Entra writes a single complex value as a list of one: `"manager": [{"value": "2819c223"}]`, and in older jobs a
 * simple one too: `"displayName": [{"$ref": null, "value": "Babs"}]`.
 * https://learn.microsoft.com/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups
 * https://github.com/jelhub/scimgateway
 */
export function singleFromList(attribute: Attribute, value: unknown): unknown {
	if (!Array.isArray(value) || value.length !== 1) return value
	const element: unknown = value[0]
	const isElement = attribute.type === 'complex'
	const isValueOf = !isElement && typeof element === 'object' && element !== null && 'value' in element
	return understood('singleFromList', value, isElement ? element : isValueOf ? element.value : value)
}

/**
 * Entra's AppRoleAssignmentsComplex writes a role as JSON inside a string:
 * `"roles": [{"value": "{\"id\":\"06b0\",\"value\":\"25\",\"displayName\":\"Admin\"}"}]`.
 * https://learn.microsoft.com/entra/identity/app-provisioning/customize-application-attributes
 */
export function roleFromJson(
	attribute: Attribute,
	element: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
	if (attribute.name !== 'roles' || typeof element.value !== 'string' || !element.value.startsWith('{')) return element
	const role = parsedObject(element.value)
	// A role that only looks like one in JSON is a plain string.
	if (typeof role?.value !== 'string') return element
	const { displayName, ...rest } = role
	const meant = { ...element, ...rest, ...(displayName !== undefined && { display: displayName }) }
	return understood('roleFromJson', element, meant)
}

/**
 * Entra's roles and the reference client's members carry `displayName` where the attribute is called `display`.
 * https://learn.microsoft.com/entra/identity/app-provisioning/customize-application-attributes
 */
export function displayFromDisplayName(attribute: Attribute, name: string): string {
	const { subAttributes } = attribute
	const isDisplay =
		name.toLowerCase() === 'displayname' && subAttributes.has('display') && !subAttributes.has('displayname')
	return understood('displayFromDisplayName', name, isDisplay ? 'display' : name)
}

/**
 * Entra writes the operations `Add`, `Replace` and `Remove`.
 * https://learn.microsoft.com/entra/identity/app-provisioning/application-provisioning-config-problem-scim-compatibility
 */
export const operationInAnyCase = (op: string): string => understood('operationInAnyCase', op, op.toLowerCase())

/**
 * The reference client writes names in any letter case, and others write `operations` for `Operations`.
 * https://github.com/AzureAD/SCIMReferenceCode
 */
export function namesInAnyCase(object: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
	const entries = Object.entries(object).map(([name, value]) => {
		const lower = name.toLowerCase()
		understood('namesInAnyCase', name, lower === 'operations' ? 'Operations' : lower)
		return [lower, value] as const
	})
	return Object.fromEntries(entries)
}

/**
 * Entra adds and replaces through a filter that nothing matches yet, and expects the element to be made:
 * `{"op": "Add", "path": "emails[type eq \"work\"].value", "value": "a@b.c"}`. RFC 7644 section 3.5.2.3 says `noTarget`.
 * What the filter says about the element to make, or undefined where it is more than `eq` and `and`.
 * https://learn.microsoft.com/answers/questions/120490/patch-request-in-scim-with-azure-ad
 */
export function elementFromFilter(filter: Filter): Readonly<Record<string, CompareValue>> | undefined {
	const element = literalsOf(filter)
	if (element !== undefined) tell('elementFromFilter')
	return element
}

/**
 * Entra filters a single value as if it were a list: `{"op": "remove", "path": "manager[value eq \"2819c223\"]"}`.
 * https://github.com/thomaspoignant/scim-patch/issues/453
 */
export const listOfSingle = (value: unknown): readonly unknown[] =>
	understood('listOfSingle', value, value === undefined ? [] : [value])

/**
 * Entra removes values by naming them instead of by a filter:
 * `{"op": "Remove", "path": "members", "value": [{"value": "2819c223"}]}`. RFC 7644 section 3.5.2.2 knows no value there
 * and would remove them all.
 * https://learn.microsoft.com/entra/identity/app-provisioning/application-provisioning-config-problem-scim-compatibility
 */
export function namesValuesToRemove({ value }: { readonly value?: unknown }): boolean {
	return understood('namesValuesToRemove', false, value !== undefined && value !== null && value !== '')
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
