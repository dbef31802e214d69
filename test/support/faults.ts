import type { Send, TableRequest, TableResponse } from '../../shared/storage/table/tables.ts'

/**
 * What happens to one request. `answered`: the service answers. `lost`: the request is done and its answer is lost.
 * `unsent`: the request never arrives. A response is given in place of the service's answer.
 */
export type Fate = 'answered' | 'lost' | 'unsent' | TableResponse

/** Makes requests to the table service fail. `fateOf` decides about each request in turn. */
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

/** What the table service answers to any request while it is too busy. */
export const serverBusy: TableResponse = {
	status: 503,
	headers: { get: () => undefined },
	text: '{"odata.error":{"code":"ServerBusy","message":{"lang":"en-US","value":"The server is busy."}}}',
}
