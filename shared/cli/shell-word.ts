/** Quotes a word for a shell. Double quotes work in bash, PowerShell and cmd. */
export function shellWord(word: string, platform = process.platform): string {
	if (platform === 'win32') return windowsWord(word)
	if (/^[\w@%+=:,./-]+$/.test(word)) return word
	return /["$`\\!]/.test(word) ? `'${word.replaceAll("'", "'\\''")}'` : `"${word}"`
}

/**
 * PowerShell reads `@`, `,` and `$` itself, and cmd reads `%`. Both read a path with backslashes as it is.
 * Words with `$`, a backtick or double quotes are quoted for PowerShell, because cmd has no quotes for all of them.
 */
function windowsWord(word: string): string {
	if (/^[\w+=:./\\-]+$/.test(word)) return word
	return /["$`“”„]/.test(word) ? `'${word.replaceAll("'", "''")}'` : `"${word}"`
}
