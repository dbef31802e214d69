import { UsageError } from '../../shared/cli/usage-error.ts'
import type { Clock } from '../../shared/relay/clock.ts'
import { briefly } from '../log.ts'
import { type Question, questions } from './questions.ts'
import { type Place, rigOf } from './rig.ts'

export type Seen = {
	readonly question: string
	readonly assumed: string
	readonly seen: string
	readonly isAsAssumed: boolean
}

type Setting = { readonly clock: Clock; readonly isSlow: boolean; readonly tell: (seen: Seen) => void }

/**
 * Asks the service everything, one after another; `tell` has each as soon as it is seen. Throws where nothing can be asked:
 * a UsageError when somebody else listens, an Error when the service is not reached or refuses the key.
 */
export async function examine(place: Place, { clock, isSlow, tell }: Setting): Promise<readonly Seen[]> {
	const all: Seen[] = []
	for (const question of questions) {
		if (question.isSlow && !isSlow) continue
		const seen = await answerTo(question, place, clock)
		if (all.length === 0) inspect(seen, place)
		const { name, assumed, fits } = question
		const result = { question: name, assumed, seen, isAsAssumed: fits.test(seen) }
		all.push(result)
		tell(result)
	}
	return all
}

/** What is said while nobody listens tells whether there is any use in going on. */
function inspect(seen: string, { hybridConnection, namespace, send }: Place): void {
	if (/, Via /.test(seen))
		throw new UsageError(`something listens on ${hybridConnection} already: ${seen}`, {
			hint: 'Choose a hybrid connection that nothing else uses.',
		})
	if (!/^\d/.test(seen)) throw new Error(`${namespace} is not reached: ${seen}`)
	if (/^40[13] /.test(seen)) throw new Error(`the key ${send.name} may not send: ${seen}`)
}

async function answerTo({ ask }: Question, place: Place, clock: Clock): Promise<string> {
	const rig = rigOf(place, clock)
	try {
		return await ask(rig)
	} catch (error) {
		return `error: ${briefly(error)}`
	} finally {
		await rig.close()
	}
}
