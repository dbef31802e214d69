import { validateHeaderName, validateHeaderValue } from 'node:http'
import { isHopHeader } from './target.ts'

/** The head of an answer. */
export type Head = {
	readonly requestId: string
	readonly statusCode: number | string
	readonly statusDescription?: string
	readonly responseHeaders?: Readonly<Record<string, string>>
	readonly body?: boolean
}

/** Largest body on the control channel. */
export const controlLimit = 65_536
/** All headers of a message together. */
export const headerLimit = 32_768

/** What is wrong with an answer, wherever it came. */
export function deviationsOf({ statusCode, statusDescription = '', responseHeaders = {} }: Head): readonly string[] {
	const status = Number(statusCode)
	const hop = Object.keys(responseHeaders).filter(isForbidden)
	const unsound = Object.entries(responseHeaders).filter(([name, value]) => !isSound(name, value))
	return [
		...hop.map((name) => `forbidden header ${name}`),
		...unsound.map(([name]) => `header ${JSON.stringify(name)} that no header may be`),
		...(JSON.stringify(responseHeaders).length > headerLimit ? ['more than 32 kB of headers'] : []),
		...(status === 502 || status === 504 ? [`status ${status} of a listener`] : []),
		...(isStatus(status) ? [] : [`status ${statusCode} that is none`]),
		...(isSound('reason', statusDescription) ? [] : ['reason that no reason may be']),
	]
}

/** Headers that a listener must not answer with (RFC 7230). */
const isForbidden = (name: string): boolean => isHopHeader(name) || name.toLowerCase() === 'host'

const isStatus = (status: number): boolean => Number.isInteger(status) && status >= 200 && status <= 599

/** Sound is what can be written as HTTP. */
function isSound(name: string, value: string): boolean {
	try {
		validateHeaderName(name)
		validateHeaderValue(name, value)
		return true
	} catch (error) {
		if (error instanceof TypeError) return false
		throw error
	}
}

/** Whether it can be passed on at all. */
export const isPassable = ({ statusCode, statusDescription = '' }: Head): boolean =>
	isStatus(Number(statusCode)) && isSound('reason', statusDescription)

/** The headers that the sender gets: those of the listener that may pass, and `Via`, which tells it from an error of the relay. */
export function answerHeaders({ statusCode, responseHeaders = {} }: Head, host: string, length?: number): string[] {
	const passing = Object.entries(responseHeaders).filter(([name, value]) => !isForbidden(name) && isSound(name, value))
	const via = passing.filter(([name]) => name.toLowerCase() === 'via').map(([, value]) => value)
	const others = passing.filter(([name]) => name.toLowerCase() !== 'via')
	const isEmpty = Number(statusCode) === 204 || Number(statusCode) === 304
	const own = [...others, ['Via', [...via, `1.1 ${host}`].join(', ')]]
	return (length === undefined || isEmpty ? own : [...own, ['Content-Length', String(length)]]).flat()
}
