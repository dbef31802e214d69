import { setTimeout as sleep } from 'node:timers/promises'
import type { ShowProgress } from '../cli/command.ts'
import { refusalOf } from './answer.ts'
import type { ActionGlance, ActionOutcome, ActionState } from './answers/actions.ts'
import { inPageWords } from './page-words.ts'

/** How an action tells what it does. */
export type ActionWatch = { readonly show: ShowProgress; readonly note: (text: string) => void }

type ActionRun = {
	/** The words of the command. */
	readonly words: string
	readonly tenant: string
	readonly work: (watch: ActionWatch) => Promise<ActionOutcome>
}

/** Actions that run, so that the page can show how far they are. An action goes on if the page is closed. */
export type Jobs = {
	/** Starts an action. Answers with its end if that comes within a second. */
	start(run: ActionRun): Promise<ActionState>
	/** How far an action is. Waits a moment for its end. Undefined for an id that is unknown, or whose end was told. */
	state(id: string): Promise<ActionState | undefined>
	/** The actions of a tenant that run, or whose end was not told. */
	of(tenant: string): readonly ActionGlance[]
}

type ActionJob = {
	readonly id: string
	readonly words: string
	readonly tenant: string
	readonly notes: string[]
	/** Milliseconds since 1970; undefined while it runs. */
	ended: number | undefined
	outcome: ActionOutcome | undefined
	done: number
	progress: string
	readonly end: Promise<unknown>
}

type JobsOptions = {
	/** Milliseconds since 1970. */
	readonly now: () => number
	readonly newId: () => string
}

/** An end that no page has asked for is forgotten after this time, in milliseconds: it may have a secret in it. */
const forgottenAfter = 15 * 60_000

const firstWait = 1_000
const laterWait = 500

export function openJobs({ now, newId }: JobsOptions): Jobs {
	let jobs: readonly ActionJob[] = []
	const kept = (): readonly ActionJob[] => {
		jobs = jobs.filter(({ ended = now() }) => now() - ended < forgottenAfter)
		return jobs
	}
	const stateOnce = (job: ActionJob): ActionState => {
		if (job.outcome !== undefined) jobs = jobs.filter((each) => each !== job)
		return stateOf(job)
	}
	const stateSoon = async (job: ActionJob, milliseconds: number): Promise<ActionState> => {
		const waiting = new AbortController()
		await Promise.race([job.end, sleep(milliseconds, undefined, { signal: waiting.signal }).catch(() => {})])
		waiting.abort()
		return stateOnce(job)
	}
	return {
		start(run) {
			const job = startJob(run, { now, newId })
			jobs = [...kept(), job]
			return stateSoon(job, firstWait)
		},
		async state(id) {
			const job = kept().find((each) => each.id === id)
			return job && stateSoon(job, laterWait)
		},
		of: (tenant) =>
			kept()
				.filter((job) => job.tenant === tenant)
				.map(({ id, words, outcome, done, progress }) => ({
					id,
					words,
					isOver: outcome !== undefined,
					done,
					progress,
				})),
	}
}

function startJob({ words, tenant, work }: ActionRun, { now, newId }: JobsOptions): ActionJob {
	const notes: string[] = []
	const watch: ActionWatch = {
		show(done, progress) {
			job.done = done
			job.progress = progress
		},
		note: (text) => notes.push(inPageWords(text)),
	}
	const finish = (outcome: ActionOutcome): void => {
		job.outcome = outcome
		job.ended = now()
	}
	// The work begins after this function has returned, so that it finds the job.
	const end = Promise.resolve()
		.then(() => work(watch))
		.then(finish, (error: unknown) => finish({ state: 'refused', ...refusalOf(error).problem }))
	const job: ActionJob = {
		...{ id: newId(), words, tenant, notes, end },
		...{ ended: undefined, outcome: undefined, done: 0, progress: '' },
	}
	return job
}

function stateOf({ id, words, outcome, done, progress, notes }: ActionJob): ActionState {
	if (outcome === undefined) return { id, words, state: 'running', done, progress, notes }
	return { id, words, ...outcome, ...(outcome.state === 'done' && { notes }) }
}
