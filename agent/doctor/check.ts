import { codeOf, type UsageError } from '../../shared/cli/usage-error.ts'
import { briefly } from '../log.ts'

/** The result of one check, and what the administrator can do about it. */
export type DoctorFinding = {
	/** The name of the server, if the settings have names. */
	readonly server?: string
	readonly code: string
	readonly verdict: 'PASS' | 'WARN' | 'FAIL' | 'SKIP'
	/** What the check found, on one line. */
	readonly seen: string
	/** How to repair it, with the line to paste. ` Or: ` separates alternatives. */
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

/** Findings for checks that depend on a failed one. */
export const notReached = (codes: readonly string[], first: string): readonly DoctorFinding[] =>
	codes.map((code) => skip(code, `not checked: repair ${first} first`))

/** The hint for an unreadable file. Secrets that systemd copies for the service belong to root. */
export const hintOf = ({ cause, hint }: UsageError): string =>
	codeOf(cause) === 'EACCES' ? 'Run the doctor as root (Linux) or as administrator (Windows).' : hint

export const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`

/** An error in plain words: only the reason of an OpenSSL error, without Node's advice to developers. */
export function plainly(error: unknown): string {
	const message = briefly(error)
	const [, reason] = /:SSL routines:[^:]*:([^:]+)/.exec(message) ?? []
	return reason ?? message.replace(/; if the root CA is installed locally.*$/, '')
}
