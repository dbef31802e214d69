import * as z from 'zod'
import { jsonIn } from '../../shared/json-in.ts'
import type { Clock } from '../../shared/relay/clock.ts'
import type { WriteKnowledge } from '../../shared/relay/contract.ts'

/** The writes that were reported as `outcome_unknown`, for ten minutes. */
export type UnknownWrites = {
	/** When the write with this fingerprint was first sent, in milliseconds since 1970. */
	sentAt(fingerprint: string): number | undefined
	add(fingerprint: string, sentAt: number): void
	delete(fingerprint: string): void
}

const rememberedFor = 600_000
const capacity = 10_000

export function unknownWritesOf(clock: Clock): UnknownWrites {
	const times = new Map<string, number>()
	const forget = () => {
		for (const [fingerprint, sentAt] of times) {
			if (clock.now() - sentAt < rememberedFor && times.size <= capacity) return
			times.delete(fingerprint)
		}
	}
	return {
		sentAt: (fingerprint) => {
			forget()
			return times.get(fingerprint)
		},
		add: (fingerprint, sentAt) => {
			if (!times.has(fingerprint)) times.set(fingerprint, sentAt)
			forget()
		},
		delete: (fingerprint) => times.delete(fingerprint),
	}
}

const knowledge: z.ZodType<WriteKnowledge> = z.object({
	state: z.enum(['none', 'pending', 'answered']),
	memoryAge: z.number(),
	otherWriteAge: z.number().optional(),
})

/** What an agent answered to the question about a write, or undefined if it cannot be asked. */
export function parseKnowledge(body: Buffer): WriteKnowledge | undefined {
	return knowledge.safeParse(jsonIn(body.toString())).data
}

type AgentKnowledge = { readonly id: string; readonly known: WriteKnowledge | undefined }

/** What to do with a write that repeats one with an unknown outcome. */
export type RepetitionVerdict =
	| { readonly kind: 'send' }
	| { readonly kind: 'unknown'; readonly why: string }
	/** The agent has the answer to the first write. */
	| { readonly kind: 'answered'; readonly agent: string }

/** Milliseconds since the first write was sent: before and after the agents were asked. */
type FirstWriteAge = { readonly before: number; readonly after: number }

/** Judges a repetition by the knowledge of all agents. */
export function judgeRepetition(age: FirstWriteAge, agents: readonly AgentKnowledge[]): RepetitionVerdict {
	const unasked = agents.find(({ known }) => known === undefined)
	if (unasked !== undefined) return unknown(`the agent ${unasked.id} cannot be asked for the answer to the first write`)
	const all = agents.flatMap(({ id, known }) => (known === undefined ? [] : [{ id, ...known }]))
	const forgetful = all.find(({ memoryAge }) => memoryAge < age.before)
	if (forgetful !== undefined) return unknown(`the agent ${forgetful.id} was restarted after the first write`)
	if (all.some(({ state }) => state === 'pending'))
		return unknown('the SCIM server has not yet answered the first write')
	// After another write, the old answer may describe a state that is gone.
	const isVoid = all.some(({ otherWriteAge }) => otherWriteAge !== undefined && otherWriteAge < age.after)
	const holder = isVoid ? undefined : all.find(({ state }) => state === 'answered')
	return holder === undefined ? { kind: 'send' } : { kind: 'answered', agent: holder.id }
}

const unknown = (why: string) => ({ kind: 'unknown', why: `a repeated write was not sent, because ${why}` }) as const
