import type { Attribute } from './attribute.ts'
import type { AttributeValues } from './resource.ts'
import { type ResourceType, userType } from './resource-type.ts'

// RFC 7643 section 4.1.1 leaves the meaning of `active` to the service provider. Here a user has it always, and only a
// client that names a value changes it: silence activates no one and deactivates no one.

const active = userType.schema.attributes.get('active')

/** Says whether an attribute keeps its value when a client leaves it out, or unassigns it by null, "" or a removal. */
export const keepsValue = (attribute: Attribute): boolean => attribute === active

/** The attributes of a resource with `active: true` for a user that has no value of `active`. */
export const withActive = (type: ResourceType, attributes: AttributeValues): AttributeValues =>
	type.name !== 'User' || Object.hasOwn(attributes, 'active') ? attributes : { ...attributes, active: true }

/** Whether a change of attributes makes an active user inactive. */
export const isDeactivated = (
	{ name }: Pick<ResourceType, 'name'>,
	before: AttributeValues,
	now: AttributeValues,
): boolean => name === 'User' && before.active !== false && now.active === false

/** The attributes that replace those of a resource: `active` stays as it is if the client leaves it out. */
export const replacingAttributes = (next: AttributeValues, current: AttributeValues): AttributeValues =>
	Object.hasOwn(next, 'active') || !Object.hasOwn(current, 'active') ? next : { ...next, active: current.active }
