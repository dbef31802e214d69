import type { Clock } from '../../shared/relay/clock.ts'
import type { Config } from '../config.ts'
import { tokenSource } from '../credentials.ts'
import { type DoctorFinding, fail, pass, plainly, skip } from './check.ts'

/** Is a token for the service to be had, and whose is it? */
export async function tokenFindings(config: Config, clock: Clock): Promise<readonly DoctorFinding[]> {
	const { type } = config.credentials
	try {
		const { token, expiresOnTimestamp } = await tokenSource(config, clock)()
		const minutes = Math.round((expiresOnTimestamp - clock.now()) / 60_000)
		return [pass('A1', `a token by ${type}, good for ${minutes} minutes`), audience(token, config)]
	} catch (error) {
		return [fail('A1', plainly(error), tokenRemedy(config))]
	}
}

/** Whom a token of Entra is for and whose it is. What its owner may do is not in it: roles are looked up by the service. */
function audience(token: string, { relay, credentials }: Config): DoctorFinding {
	if (credentials.type === 'sas') return pass('A2', `it is signed with the key ${credentials.keyName}`)
	const claims = claimsOf(token)
	if (claims === undefined) return skip('A2', 'the token cannot be looked into')
	const seen = `it is for ${claims.aud}, of the identity ${claims.oid}`
	if (claims.aud?.replace(/\/$/, '') === relay.audience.replace(/\/$/, ''))
		return pass('A2', `${seen}, which needs the role Azure Relay Listener on ${relay.hybridConnection}`)
	return fail('A2', seen, `The service wants one for "audience": "${relay.audience}" in relay.`)
}

function claimsOf(token: string): { readonly aud?: string; readonly oid?: string } | undefined {
	try {
		return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
	} catch (error) {
		if (error instanceof SyntaxError) return undefined
		throw error
	}
}

function tokenRemedy({ credentials }: Config): string {
	switch (credentials.type) {
		case 'sas':
			return `The listen key belongs into ${credentials.keyFile}, readable by the agent's user alone.`
		case 'arc':
			return "Is Azure Arc connected (azcmagent show), and the agent's user in the group himds?"
		case 'certificate':
			return 'Compare tenantId, clientId and the certificate with the app registration; login.microsoftonline.com:443 must be reachable.'
	}
}
