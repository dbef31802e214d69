import { useEffect, useState } from 'preact/hooks'
import type { LiveLine, LiveLines } from '../answers/activity.ts'
import { ask, type Problem } from './api.ts'
import { announce } from './parts/live-region.tsx'

/** What a tenant page shows of what happens. */
export type Live = {
	/** The newest one first; undefined until the first answer. */
	readonly lines?: readonly LiveLine[]
	/** Whether refusals may be missing, because very many are kept. */
	readonly isPartial?: boolean
	/** Why the last request failed. */
	readonly problem?: Problem
}

/** Seconds between two requests. */
const interval = 3
/** Lines in view. Older ones leave the page. */
const linesAtMost = 200
/** Lines that are remembered, because the server may tell a line again. */
const rememberedAtMost = 4000

/** What happens in a tenant, as it happens, while the tab is in view. Screen readers hear of it politely. */
export function useLive(tenant: string): Live {
	const [live, setLive] = useState<Live>({})
	useEffect(() => {
		const end = new AbortController()
		const versions = new Map<string, number>()
		let cursor: string | undefined
		let timer: ReturnType<typeof setTimeout> | undefined
		const isNew = ({ id, version }: LiveLine): boolean => versions.get(id) !== version
		const take = ({ lines, ...next }: LiveLines): void => {
			const news = lines.filter(isNew)
			for (const { id, version } of news) remember(versions, id, version)
			if (cursor !== undefined && news.length > 0) announce(inWords(news))
			cursor = next.cursor
			setLive(({ lines: before = [] }) => ({
				lines: news.length > 0 ? withNews(before, news) : before,
				isPartial: next.isPartial,
			}))
		}
		const read = async (): Promise<void> => {
			const query = cursor === undefined ? '' : `?after=${encodeURIComponent(cursor)}`
			const path = `/tenants/${tenant}/activity${query}`
			const outcome = await ask<LiveLines>(path, { byTimer: cursor !== undefined, signal: end.signal })
			if ('value' in outcome) take(outcome.value)
			else setLive((before) => ({ ...before, problem: outcome.problem }))
			plan('value' in outcome && outcome.value.hasMore ? 0 : interval)
		}
		const plan = (seconds: number): void => {
			if (end.signal.aborted) return
			timer = setTimeout(() => (document.hidden ? plan(interval) : start()), seconds * 1000)
		}
		const start = (): void => {
			read().catch((error: unknown) => {
				if (!end.signal.aborted) throw error
			})
		}
		setLive({})
		start()
		return () => {
			end.abort()
			clearTimeout(timer)
		}
	}, [tenant])
	return live
}

/** The line that was remembered first is forgotten first. */
function remember(versions: Map<string, number>, id: string, version: number): void {
	versions.delete(id)
	versions.set(id, version)
	if (versions.size <= rememberedAtMost) return
	const [oldest] = versions.keys()
	if (oldest !== undefined) versions.delete(oldest)
}

function withNews(lines: readonly LiveLine[], news: readonly LiveLine[]): readonly LiveLine[] {
	const ids = new Set(news.map(({ id }) => id))
	return [...news.toReversed(), ...lines.filter(({ id }) => !ids.has(id))].slice(0, linesAtMost)
}

/** @example inWords([line]) // 'joy@example.com: title changed' */
function inWords(news: readonly LiveLine[]): string {
	const last = news.at(-1)
	if (last === undefined) return ''
	const name = last.about?.name ?? last.name
	const text = name === undefined ? last.what : `${name}: ${last.what}`
	return news.length === 1 ? text : `${news.length} new lines, the last one: ${text}`
}
