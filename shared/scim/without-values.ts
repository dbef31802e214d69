/**
 * The texts in a refusal that the client has sent. Most are in double quotes. The others follow fixed words:
 * paths, filters in brackets, and what a parser has found.
 */
const valuesInText: readonly (readonly [pattern: RegExp, replacement: string])[] = [
	[/(endpoint|<tenant>\/…:|percent encoding:) .*/s, '$1 …'],
	[/, found (?!the end$).*/s, ', found …'],
	[/(compared by \w+ with) .*/s, '$1 …'],
	[/\[[^\]]*\s.*\]/s, '[…]'],
	[/ by the \w+ with the id "[^"]*"$/, ''],
	[/".*"/s, '"…"'],
	[/the number \S+/g, 'the number …'],
	[/bulkId:\S+/g, 'bulkId:…'],
	[/\S*@\S*/g, '…'],
]

/**
 * The sentence of a refusal without the values that the client has sent, for a log.
 *
 * @example withoutValues('userName "joy" is already taken') // 'userName "…" is already taken'
 */
export const withoutValues = (detail: string): string =>
	valuesInText.reduce((text, [pattern, replacement]) => text.replace(pattern, replacement), detail)
