import type { OwnSchema } from '../shared/scim/own-schema.ts'

type DeclaredAttribute = OwnSchema['attributes'][number]

/** Says in words what a declaration no longer allows that the one before it allowed. */
export function narrowings(before: OwnSchema | undefined, now: OwnSchema): readonly string[] {
	if (before === undefined) return []
	const byName = new Map(now.attributes.map((attribute) => [attribute.name.toLowerCase(), attribute]))
	return before.attributes.flatMap((attribute) => {
		const words = change(attribute, byName.get(attribute.name.toLowerCase()))
		return words === undefined ? [] : [`${now.id}:${attribute.name} ${words}.`]
	})
}

function change(before: DeclaredAttribute, now: DeclaredAttribute | undefined): string | undefined {
	if (now === undefined) return 'is not declared any more'
	if (typeOf(before) !== typeOf(now)) return `was ${typeOf(before)} and is ${typeOf(now)}`
	if (before.name !== now.name) return `is spelled ${now.name}`
	const lost = (before.subAttributes ?? []).filter(
		({ name }) => !now.subAttributes?.some((sub) => sub.name.toLowerCase() === name.toLowerCase()),
	)
	if (lost.length > 0) return `has no ${lost.map(({ name }) => name).join(', ')} any more`
	if (now.required && !before.required) return 'is required'
	return now.enforced && !before.enforced ? 'accepts only its canonical values' : undefined
}

const typeOf = ({ type = 'string', multiValued }: DeclaredAttribute): string =>
	multiValued ? `a list of ${type}` : type
