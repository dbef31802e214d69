import { UsageError } from '../../shared/cli/usage-error.ts'
import type { Clock } from '../../shared/relay/clock.ts'
import { briefly } from '../log.ts'
import { type Question, questions } from './questions.ts'
import { type HybridConnection, rigOf } from './rig.ts'

export type ConformanceResult = {
	readonly question: string
	readonly assumed: string
	readonly seen: string
	readonly isAsAssumed: boolean
}

type ExamineOptions = {
	readonly clock: Clock
	readonly isSlow: boolean
	readonly onResult: (seen: ConformanceResult) => void
}

/**
 * Asks the service all questions in turn, and calls `onResult` after each. Throws a UsageError if another listener is
 * connected, and an Error if the service is unreachable or refuses the key.
 */
export async function examine(
	connection: HybridConnection,
	{ clock, isSlow, onResult }: ExamineOptions,
): Promise<readonly ConformanceResult[]> {
	const results: ConformanceResult[] = []
	for (const question of questions) {
		if (question.isSlow && !isSlow) continue
		const seen = await answerTo(question, connection, clock)
		if (results.length === 0) requireUnused(seen, connection)
		const { name, assumed, fits } = question
		const result = { question: name, assumed, seen, isAsAssumed: fits.test(seen) }
		results.push(result)
		onResult(result)
	}
	return results
}

/** Checks the first answer, which must come from the service itself because no listener is connected. */
function requireUnused(seen: string, { hybridConnection, namespace, send }: HybridConnection): void {
	if (/, Via /.test(seen))
		throw new UsageError(`${hybridConnection} already has a listener: ${seen}`, {
			hint: 'Choose an unused hybrid connection.',
		})
	if (!/^\d/.test(seen)) throw new Error(`cannot reach ${namespace}: ${seen}`)
	if (/^40[13] /.test(seen)) throw new Error(`the key ${send.name} has no right to send: ${seen}`)
}

async function answerTo({ ask }: Question, connection: HybridConnection, clock: Clock): Promise<string> {
	const rig = rigOf(connection, clock)
	try {
		return await ask(rig)
	} catch (error) {
		return `error: ${briefly(error)}`
	} finally {
		await rig.close()
	}
}
