import type { Send, TableRequest, TableResponse } from '../../shared/storage/table/tables.ts'

/** The fate of one request: answered by the service, done without an answer, never sent, or answered with this answer. */
export type Fate = 'answered' | 'lost' | 'unsent' | TableResponse

/** Makes requests to the table service fail. `fateOf` decides for each request in turn. */
export const withFaults =
	(fateOf: (request: TableRequest) => Fate) =>
	(send: Send): Send =>
	async (request) => {
		const fate = fateOf(request)
		if (typeof fate === 'object') return fate
		if (fate === 'unsent') throw new Error('connect ECONNREFUSED 127.0.0.1')
		const response = await send(request)
		if (fate === 'lost') throw new Error('read ECONNRESET')
		return response
	}

/** The answer of a table service that is too busy. */
export const serverBusy: TableResponse = {
	status: 503,
	headers: { get: () => undefined },
	text: '{"odata.error":{"code":"ServerBusy","message":{"lang":"en-US","value":"The server is busy."}}}',
}
