import type { IncomingHttpHeaders } from 'node:http'
import { sasToken } from '../../../shared/relay/sas.ts'
import { ca, clock, type Lab } from './lab.ts'
import { sendTo } from './sender.ts'

/** Sends a request without a body through the relay, as any client with the right to send may. */
export function askThroughRelay(
	{ standIn }: Pick<Lab, 'standIn'>,
	{ method, path, headers = {} }: { method: string; path: string; headers?: IncomingHttpHeaders },
) {
	const uri = 'http://localhost/demo'
	const { token } = sasToken({ uri, keyName: 'send', key: 'sendkey', expires: clock.now() + 3_600_000_000 })
	return sendTo({
		port: standIn.port,
		ca: ca.cert,
		method,
		path,
		body: Buffer.alloc(0),
		headers: { ServiceBusAuthorization: token, ...headers },
	})
}
