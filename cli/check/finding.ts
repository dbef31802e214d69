/** The finding of one check: what the check has seen and, if that is wrong, the remedy. */
export type CheckFinding = {
	readonly name: string
	readonly verdict: 'PASS' | 'WARN' | 'FAIL'
	readonly seen: string
	readonly remedy?: string
}

/** A deviation that a check has found. A warning is a deviation that Entra tolerates. */
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

/** Runs a check. `work` returns what it has seen. */
export async function findingOf(name: string, work: () => string | Promise<string>): Promise<CheckFinding> {
	try {
		return { name, verdict: 'PASS', seen: await work() }
	} catch (error) {
		if (!(error instanceof Shortfall)) throw error
		const { message: seen, remedy, isWarning } = error
		return { name, verdict: isWarning ? 'WARN' : 'FAIL', seen, remedy }
	}
}
