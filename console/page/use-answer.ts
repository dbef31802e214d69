import { useCallback, useEffect, useState } from 'preact/hooks'
import { ask, type Problem } from './api.ts'

/** What a part shows of an answer. A value stays when a later request fails. */
export type Answered<T> = {
	readonly value?: T
	/** Why the last request failed. */
	readonly problem?: Problem
	/** Asks again now. */
	readonly refresh: () => void
}

type AnswerOptions = {
	/** Asks again after this time, in seconds, while the tab is in view. */
	readonly every?: number
}

type SeenAnswer<T> = { readonly path: string; readonly value?: T; readonly problem?: Problem }

/** Seconds after which a failed request is repeated, if the part asks again at all. */
const soon = 5

/**
 * The answer of the console's API to GET, which is asked for again at intervals.
 *
 * @param path below `/console/api`; a part that changes it shows the new answer alone
 */
export function useAnswer<T>(path: string, { every }: AnswerOptions = {}): Answered<T> {
	const [seen, setSeen] = useState<SeenAnswer<T>>({ path })
	const [turn, setTurn] = useState(0)
	useEffect(() => {
		const end = new AbortController()
		let timer: ReturnType<typeof setTimeout> | undefined
		const read = async (byTimer: boolean): Promise<void> => {
			const outcome = await ask<T>(path, { byTimer, signal: end.signal })
			setSeen((before) =>
				'value' in outcome ? { path, ...outcome } : { path, ...earlierValue(before, path), ...outcome },
			)
			if (every !== undefined) plan('value' in outcome ? every : Math.min(every, soon))
		}
		const plan = (seconds: number): void => {
			if (end.signal.aborted) return
			timer = setTimeout(() => (document.hidden ? plan(seconds) : start(true)), seconds * 1000)
		}
		const start = (byTimer: boolean): void => {
			read(byTimer).catch((error: unknown) => {
				if (!end.signal.aborted) throw error
			})
		}
		start(false)
		return () => {
			end.abort()
			clearTimeout(timer)
		}
	}, [path, every, turn])
	const refresh = useCallback(() => setTurn((before) => before + 1), [])
	if (seen.path !== path) return { refresh }
	const { value, problem } = seen
	return { ...(value !== undefined && { value }), ...(problem !== undefined && { problem }), refresh }
}

/** The value that the same request had before. */
const earlierValue = <T>({ path, value }: SeenAnswer<T>, wanted: string): { readonly value?: T } =>
	path === wanted && value !== undefined ? { value } : {}
