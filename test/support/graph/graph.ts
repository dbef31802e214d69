import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll } from 'vitest'
import { selfSigned } from '../relay-stand-in/certificates.ts'
import { answerGraph, graphError } from './answers.ts'
import { newDirectory } from './directory.ts'
import type { GraphAnswer, GraphCall, GraphStandIn } from './stand-in.ts'

/** The scopes that the token of az has. */
const azScopes =
	'Application.ReadWrite.All AppRoleAssignment.ReadWrite.All AuditLog.Read.All Directory.AccessAsUser.All Group.ReadWrite.All User.Read.All openid profile'

/** The id of the Entra directory. */
export const directoryId = '72f988bf-86f1-41af-91ab-2d7cd011db47'

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** An unsigned access token for Graph, as az gives it to a user. */
const tokenOf = (scopes: string): string =>
	`${part({ alg: 'RS256', typ: 'JWT' })}.${part({ tid: directoryId, scp: scopes, idtyp: 'user' })}.c2ln`

/** Starts a stand-in for a test file. Each call of the result begins with an empty directory. */
export function useGraph(): () => GraphStandIn {
	const certificate = selfSigned(['DNS:graph.microsoft.com'])
	let current: GraphStandIn | undefined
	let folder = ''
	const server = createServer(certificate, async (incoming, outgoing) => {
		const { method = '', url = '', headers } = incoming
		const content = await text(incoming)
		const answer = answerOf(current, {
			method,
			url: new URL(url, 'https://graph.microsoft.com'),
			authorization: headers.authorization ?? '',
			contentType: headers['content-type'],
			content,
		})
		const body = answer.body === undefined ? undefined : JSON.stringify(answer.body)
		outgoing.writeHead(answer.status, {
			...(body !== undefined && { 'content-type': 'application/json' }),
			...answer.headers,
		})
		outgoing.end(body)
	})
	beforeAll(async () => {
		folder = mkdtempSync(join(tmpdir(), 'rollcall-graph-'))
		await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
	})
	afterAll(() => {
		server.closeAllConnections()
		server.close()
		rmSync(folder, { recursive: true })
	})
	return () => {
		const { port } = server.address() as AddressInfo // sound: it listens on a port
		current = {
			directory: newDirectory(),
			log: [],
			mistakes: [],
			interfere: () => undefined,
			accepts: () => true,
			envOf(azure, scopes = azScopes) {
				const { env } = azure
				const authorities = join(folder, 'authorities.pem')
				writeFileSync(authorities, `${readFileSync(env.NODE_EXTRA_CA_CERTS ?? '', 'utf8')}\n${certificate.cert}`)
				return {
					...env,
					NODE_EXTRA_CA_CERTS: authorities,
					REDIRECT: JSON.stringify({ ...JSON.parse(env.REDIRECT ?? '{}'), 'graph.microsoft.com': port }),
					AZ_TOKENS: JSON.stringify({ ...JSON.parse(env.AZ_TOKENS ?? '{}'), 'ms-graph': tokenOf(scopes) }),
				}
			},
		}
		return current
	}
}

function answerOf(graph: GraphStandIn | undefined, call: GraphCall): GraphAnswer {
	if (graph === undefined) throw new Error('the stand-in runs only while tests run')
	graph.log.push(`${call.method} ${decodeURIComponent(call.url.pathname + call.url.search)}`)
	if (!/^Bearer [\w-]+\.[\w-]+\.[\w-]+$/.test(call.authorization)) {
		return graphError(401, 'InvalidAuthenticationToken', 'Access token is empty.')
	}
	return graph.interfere(call) ?? answerGraph(graph, call)
}
