/** What one check came to: what was seen and, where it is not as it should be, what helps. */
export type CheckFinding = {
	readonly name: string
	readonly verdict: 'PASS' | 'WARN' | 'FAIL'
	readonly seen: string
	readonly remedy?: string
}

/** What a check has seen that is not as it should be. A mere warning is what Entra puts up with. */
export class Shortfall extends Error {
	override readonly name = 'Shortfall'
	readonly remedy: string
	readonly isWarning: boolean

	constructor(seen: string, remedy: string, { isWarning = false }: { readonly isWarning?: boolean } = {}) {
		super(seen)
		this.remedy = remedy
		this.isWarning = isWarning
	}
}

/** Does a check, which answers what it has seen. */
export async function findingOf(name: string, work: () => string | Promise<string>): Promise<CheckFinding> {
	try {
		return { name, verdict: 'PASS', seen: await work() }
	} catch (error) {
		if (!(error instanceof Shortfall)) throw error
		const { message: seen, remedy, isWarning } = error
		return { name, verdict: isWarning ? 'WARN' : 'FAIL', seen, remedy }
	}
}
