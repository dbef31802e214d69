import { codeOf, type UsageError } from '../../shared/cli/usage-error.ts'
import { briefly } from '../log.ts'

/** What one check came to, and what the administrator does about it. */
export type DoctorFinding = {
	readonly code: string
	readonly verdict: 'PASS' | 'WARN' | 'FAIL' | 'SKIP'
	/** One line. */
	readonly seen: string
	/** One sentence and the line that puts it right; where there are several ways, `Or` begins each other one. */
	readonly remedy?: string
}

export const pass = (code: string, seen: string): DoctorFinding => ({ code, verdict: 'PASS', seen })
export const warn = (code: string, seen: string, remedy: string): DoctorFinding => ({
	code,
	verdict: 'WARN',
	seen,
	remedy,
})
export const fail = (code: string, seen: string, remedy: string): DoctorFinding => ({
	code,
	verdict: 'FAIL',
	seen,
	remedy,
})
export const skip = (code: string, seen: string): DoctorFinding => ({ code, verdict: 'SKIP', seen })

/** Checks for which another has to be passed first. */
export const notReached = (codes: readonly string[], first: string): readonly DoctorFinding[] =>
	codes.map((code) => skip(code, `not looked at: ${first} comes first`))

/** What helps where a file cannot be read. Systemd hands files of root over to the service, which others cannot read. */
export const hintOf = ({ cause, hint }: UsageError): string =>
	codeOf(cause) === 'EACCES' ? 'Run the doctor as root (Linux) or as administrator (Windows).' : hint

export const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`

/** An error in plain words: of a line of OpenSSL its reason alone, and not what Node advises its developers. */
export function plainly(error: unknown): string {
	const said = briefly(error)
	const [, reason] = /:SSL routines:[^:]*:([^:]+)/.exec(said) ?? []
	return reason ?? said.replace(/; if the root CA is installed locally.*$/, '')
}
