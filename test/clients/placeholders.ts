/**
 * Values that differ from run to run, by the first word of a placeholder: `{{id joy}}`, `{{version joy 2}}`. Different
 * resources have different ids, and different states have different versions.
 */
const kinds = new Map([
	['id', { pattern: /^[0-9a-f]{32}$/, isUnique: true }],
	['version', { pattern: /^W\/"[\w-]+"$/, isUnique: true }],
	['time', { pattern: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, isUnique: false }],
])

const placeholder = /\{\{([^{}]+)\}\}/

export type Placeholders = {
	/** Sets the value of a placeholder. It may be a whole resource if the placeholder stands alone. */
	set(name: string, value: unknown): void
	/**
	 * Replaces the placeholders in every string of `template`.
	 *
	 * @throws Error for a placeholder without a value
	 */
	fill<T>(template: T): T
	/** Replaces known placeholders, and takes the values of new ids, versions and times from `actual`. */
	settle(template: unknown, actual: unknown): unknown
}

/** The placeholders of one conversation. */
export function createPlaceholders(): Placeholders {
	const known = new Map<string, unknown>()

	const put = (text: string): unknown => {
		const [before, name = '', after] = text.split(placeholder)
		if (before === '' && after === '' && known.has(name)) return known.get(name)
		return text.replaceAll(new RegExp(placeholder, 'g'), (whole, name) => String(known.get(name) ?? whole))
	}

	const fill = (text: string): unknown => {
		const filled = put(text)
		if (typeof filled === 'string' && placeholder.test(filled)) throw new Error(`no answer has told what ${filled} is`)
		return filled
	}

	const settle = (text: string, actual: unknown): unknown => {
		const [before = '', name = '', after = ''] = String(put(text)).split(placeholder)
		const kind = kinds.get(name.split(' ', 1)[0] ?? '')
		if (kind && typeof actual === 'string' && actual.startsWith(before) && actual.endsWith(after)) {
			const value = actual.slice(before.length, actual.length - after.length)
			const isTaken = kind.isUnique && [...known.values()].includes(value)
			if (kind.pattern.test(value) && !isTaken) known.set(name, value)
		}
		return put(text)
	}

	return {
		set: (name, value) => known.set(name, value),
		fill: (template) => mapTexts(template, undefined, fill) as typeof template, // sound: every string of a request may have any value
		settle: (template, actual) => mapTexts(template, actual, settle),
	}
}

function mapTexts(template: unknown, actual: unknown, map: (text: string, actual: unknown) => unknown): unknown {
	if (typeof template === 'string') return map(template, actual)
	if (Array.isArray(template)) return template.map((element, index) => mapTexts(element, at(actual, index), map))
	if (typeof template !== 'object' || template === null) return template
	return Object.fromEntries(
		Object.entries(template).map(([name, value]) => [name, mapTexts(value, at(actual, name), map)]),
	)
}

const at = (value: unknown, key: string | number): unknown =>
	typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined
