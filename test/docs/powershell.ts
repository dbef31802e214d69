/**
 * The PowerShell that does the same as some lines of bash, as far as the pages need it: assignments, a variable for one
 * command, substitutions, `&&`, continued lines. The rest of a line is the same in both.
 *
 * Two dashes are quoted, since the `npm.ps1` of older versions of npm drops them otherwise: https://github.com/npm/cli/issues/4903.
 * `curl` is another command in Windows PowerShell, so the program is called by its file name.
 */
export const toPowerShell = (bash: string): string => bash.split('\n').map(lineToPowerShell).join('\n')

function lineToPowerShell(line: string): string {
	const substitution = /^([A-Z_]+)=\$\((.*)\)$/.exec(line)
	if (substitution !== null) return `$${substitution[1]} = ${commandToPowerShell(substitution[2] ?? '')}`
	const [assigned = ''] = /^([A-Z_]+=\S+ ?)*/.exec(line) ?? []
	const command = line.slice(assigned.length)
	// Before a command a variable is one of its environment.
	const scope = command === '' ? '' : 'env:'
	const assignments = [...assigned.matchAll(/([A-Z_]+)=(\S+)/g)].map(
		([, name = '', value = '']) => `$${scope}${name} = ${value.startsWith('$') ? value : `'${value}'`}`,
	)
	return [...assignments, ...(command === '' ? [] : [commandToPowerShell(command)])].join('; ')
}

const commandToPowerShell = (command: string): string =>
	command
		.replace(/^curl /, 'curl.exe ')
		.replaceAll(' -- ', " '--' ")
		.replaceAll(' && ', '; ')
		.replace(/ \\$/, ' `')
