/** What one check came to, and what the administrator does about it. */
export type Finding = {
	readonly code: string
	readonly verdict: 'PASS' | 'WARN' | 'FAIL' | 'SKIP'
	readonly seen: string
	readonly remedy?: string
}

export const pass = (code: string, seen: string): Finding => ({ code, verdict: 'PASS', seen })
export const warn = (code: string, seen: string, remedy: string): Finding => ({ code, verdict: 'WARN', seen, remedy })
export const fail = (code: string, seen: string, remedy: string): Finding => ({ code, verdict: 'FAIL', seen, remedy })
export const skip = (code: string, seen: string): Finding => ({ code, verdict: 'SKIP', seen })
