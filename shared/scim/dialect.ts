import type { Attribute } from './attribute.ts'

// What clients send that RFC 7643 and RFC 7644 do not allow and that we understand all the same. One function each.

/**
 * Entra writes booleans as strings: `"active": "False"`.
 * https://learn.microsoft.com/entra/identity/app-provisioning/application-provisioning-config-problem-scim-compatibility
 */
export function booleanFromString(value: unknown): unknown {
	if (typeof value !== 'string') return value
	const lower = value.toLowerCase()
	return lower === 'true' ? true : lower === 'false' ? false : value
}

/**
 * Entra writes a complex value that has a `value` as that value alone: `"manager": "2819c223"`, `"members": ["2819c223"]`.
 * https://learn.microsoft.com/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups
 */
export function complexFromString(attribute: Attribute, value: unknown): unknown {
	return typeof value === 'string' && attribute.subAttributes.has('value') ? { value } : value
}

/**
 * Entra writes a single complex value as a list of one: `"manager": [{"value": "2819c223"}]`.
 * https://learn.microsoft.com/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups
 */
export const singleFromList = (value: unknown): unknown =>
	Array.isArray(value) && value.length === 1 ? value[0] : value

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
	return role === undefined ? element : { ...element, ...role }
}

/**
 * Entra's roles and the reference client's members carry `displayName` where the attribute is called `display`.
 * https://learn.microsoft.com/entra/identity/app-provisioning/customize-application-attributes
 */
export const displayFromDisplayName = (attribute: Attribute, name: string): string =>
	name.toLowerCase() === 'displayname' &&
	attribute.subAttributes.has('display') &&
	!attribute.subAttributes.has('displayname')
		? 'display'
		: name

function parsedObject(json: string): Readonly<Record<string, unknown>> | undefined {
	try {
		const value: unknown = JSON.parse(json)
		return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined
	} catch (error) {
		// A role that only looks like JSON is a plain string.
		if (error instanceof SyntaxError) return undefined
		throw error
	}
}
