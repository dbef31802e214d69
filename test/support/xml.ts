export type Element = {
	readonly name: string
	readonly attributes: Readonly<Record<string, string>>
	/** Child elements, or one text that is not only white space. */
	readonly content: readonly (Element | string)[]
}

const characters: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

const text = (escaped: string): string => {
	if (/<|&(?!(amp|lt|gt|quot|apos);)/.test(escaped)) throw new Error(`not XML: ${escaped}`)
	return escaped.replaceAll(/&(\w+);/g, (_, name: string) => characters[name] ?? '')
}

/** Reads a small XML document strictly: a declaration and one element, which contains only elements and text. */
export function elementOf(document: string): Element {
	const tokens = document.replace(/^<\?xml version="1\.0" encoding="UTF-8"\?>/, '').match(/<[^>]*>|[^<]+/g) ?? []
	let at = 0
	const next = (): string => tokens[at++] ?? ''

	function element(): Element {
		const [tag, name = '', rest = '', empty] =
			/^<([A-Za-z]+)((?: [A-Za-z]+="[^"<]*")*)(\/?)>$/.exec(next()) ?? fail(tokens[at - 1])
		const attributes = Object.fromEntries(
			[...rest.matchAll(/ (\w+)="([^"]*)"/g)].map(([, key = '', value = '']) => [key, text(value)]),
		)
		const content: (Element | string)[] = []
		if (empty === '/') return { name, attributes, content }
		while (tokens[at] !== `</${name}>`) {
			if (at >= tokens.length) return fail(tag)
			if (tokens[at]?.startsWith('<')) content.push(element())
			else content.push(text(next()))
		}
		at++
		const said = content.filter((part) => typeof part !== 'string' || part.trim() !== '')
		return { name, attributes, content: said }
	}

	const skip = () => {
		while (tokens[at]?.trim() === '') at++
	}
	skip()
	const root = element()
	skip()
	return at === tokens.length ? root : fail(tokens[at])
}

function fail(token: string | undefined): never {
	throw new Error(`not XML: ${token}`)
}
