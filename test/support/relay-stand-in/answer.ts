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

/** Largest body on the control channel, in bytes. */
export const controlLimit = 65_536
/** Largest size of all headers of a message, in bytes. */
export const headerLimit = 32_768

/** How the head of an answer violates the protocol, on either channel. */
export function deviationsOf({ statusCode, statusDescription = '', responseHeaders = {} }: Head): readonly string[] {
	const status = Number(statusCode)
	const hop = Object.keys(responseHeaders).filter(isForbidden)
	const invalid = Object.entries(responseHeaders).filter(([name, value]) => !isValidHeader(name, value))
	return [
		...hop.map((name) => `forbidden header ${name}`),
		...invalid.map(([name]) => `invalid header ${JSON.stringify(name)}`),
		...(JSON.stringify(responseHeaders).length > headerLimit ? ['more than 32 kB of headers'] : []),
		...(status === 502 || status === 504 ? [`status ${status} of a listener`] : []),
		...(isStatus(status) ? [] : [`invalid status ${statusCode}`]),
		...(isValidHeader('reason', statusDescription) ? [] : ['invalid reason phrase']),
	]
}

/** Headers that a listener must not answer with (RFC 7230). */
const isForbidden = (name: string): boolean => isHopHeader(name) || name.toLowerCase() === 'host'

const isStatus = (status: number): boolean => Number.isInteger(status) && status >= 200 && status <= 599

/** Whether the header can be written as HTTP. */
function isValidHeader(name: string, value: string): boolean {
	try {
		validateHeaderName(name)
		validateHeaderValue(name, value)
		return true
	} catch (error) {
		if (error instanceof TypeError) return false
		throw error
	}
}

/** Whether the answer can be forwarded to the sender. */
export const isPassable = ({ statusCode, statusDescription = '' }: Head): boolean =>
	isStatus(Number(statusCode)) && isValidHeader('reason', statusDescription)

/** The headers for the sender: the allowed ones of the listener, and `Via`, which an error of the relay does not have. */
export function answerHeaders({ statusCode, responseHeaders = {} }: Head, host: string, length?: number): string[] {
	const allowed = Object.entries(responseHeaders).filter(
		([name, value]) => !isForbidden(name) && isValidHeader(name, value),
	)
	const via = allowed.filter(([name]) => name.toLowerCase() === 'via').map(([, value]) => value)
	const others = allowed.filter(([name]) => name.toLowerCase() !== 'via')
	const isEmpty = Number(statusCode) === 204 || Number(statusCode) === 304
	const headers = [...others, ['Via', [...via, `1.1 ${host}`].join(', ')]]
	return (length === undefined || isEmpty ? headers : [...headers, ['Content-Length', String(length)]]).flat()
}
