/** Beyond this many comparisons in the worst case, the time of the search must be certain. */
const certain = 2 ** 22

/**
 * Whether a text contains a part. The search of the engine takes up to as many comparisons as the product of the two
 * lengths: 40 seconds for 512,000 letters. This one takes as many as their sum (Knuth, Morris and Pratt).
 */
export function contains(text: string, part: string): boolean {
	if (text.length * part.length <= certain) return text.includes(part)
	const borders = bordersOf(part)
	let matched = 0
	for (let index = 0; index < text.length; index++) {
		const code = text.charCodeAt(index)
		while (matched > 0 && part.charCodeAt(matched) !== code) matched = borders[matched - 1] ?? 0
		if (part.charCodeAt(matched) === code) matched++
		if (matched === part.length) return true
	}
	return false
}

/** For each beginning of a text, the length of the longest shorter beginning that it ends with. */
function bordersOf(part: string): Uint32Array {
	const borders = new Uint32Array(part.length)
	let matched = 0
	for (let index = 1; index < part.length; index++) {
		const code = part.charCodeAt(index)
		while (matched > 0 && part.charCodeAt(matched) !== code) matched = borders[matched - 1] ?? 0
		if (part.charCodeAt(matched) === code) matched++
		borders[index] = matched
	}
	return borders
}
