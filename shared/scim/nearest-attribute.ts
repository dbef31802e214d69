import { type Attribute, findAttribute } from './attribute.ts'
import { nearest } from './nearest.ts'
import { commonAttributes } from './resource.ts'
import type { AttributePath, ResourceType } from './resource-type.ts'

/** Shorter names are close to too many others. */
const minLength = 3

const closest = (name: string, known: Iterable<Attribute>): string | undefined =>
	name.length < minLength
		? undefined
		: nearest(
				name,
				[...known].map((attribute) => attribute.name),
			)

const question = (name: string | undefined): string => (name === undefined ? '' : `; did you mean ${name}?`)

/** A question with the closest of these attributes, to follow a refusal; empty if no name is close. */
export const didYouMeanOneOf = ({ name }: AttributePath, known: Iterable<Attribute>): string =>
	question(closest(name, known))

/** A question with the attribute of these types that was probably meant; empty if no name is close. */
export function didYouMean(types: readonly ResourceType[], path: AttributePath): string {
	const { name, sub } = path
	const scopes = types.flatMap(({ schema, extensions }) => [
		schema.attributes,
		commonAttributes,
		...extensions.map((extension) => extension.attributes),
	])
	const known = scopes.flatMap((scope) => [...scope.values()])
	if (sub === undefined) return didYouMeanOneOf(path, known)
	const [parent] = scopes.flatMap((scope) => findAttribute(scope, name) ?? [])
	const close = parent === undefined ? closest(name, known) : closest(sub, parent.subAttributes.values())
	if (close === undefined) return ''
	return question(parent === undefined ? `${close}.${sub}` : `${parent.name}.${close}`)
}
