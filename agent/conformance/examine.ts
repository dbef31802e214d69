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
	readonly tell: (seen: ConformanceResult) => void
}

/**
 * Asks the service everything, one after another; `tell` has each as soon as it is seen. Throws where nothing can be asked:
 * a UsageError when somebody else listens, an Error when the service is not reached or refuses the key.
 */
export async function examine(
	connection: HybridConnection,
	{ clock, isSlow, tell }: ExamineOptions,
): Promise<readonly ConformanceResult[]> {
	const all: ConformanceResult[] = []
	for (const question of questions) {
		if (question.isSlow && !isSlow) continue
		const seen = await answerTo(question, connection, clock)
		if (all.length === 0) inspect(seen, connection)
		const { name, assumed, fits } = question
		const result = { question: name, assumed, seen, isAsAssumed: fits.test(seen) }
		all.push(result)
		tell(result)
	}
	return all
}

/** What is said while nobody listens tells whether there is any use in going on. */
function inspect(seen: string, { hybridConnection, namespace, send }: HybridConnection): void {
	if (/, Via /.test(seen))
		throw new UsageError(`something listens on ${hybridConnection} already: ${seen}`, {
			hint: 'Choose a hybrid connection that nothing else uses.',
		})
	if (!/^\d/.test(seen)) throw new Error(`${namespace} is not reached: ${seen}`)
	if (/^40[13] /.test(seen)) throw new Error(`the key ${send.name} may not send: ${seen}`)
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
