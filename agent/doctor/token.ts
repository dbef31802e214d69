import type { Clock } from '../../shared/relay/clock.ts'
import type { Config } from '../config.ts'
import { tokenSource } from '../credentials.ts'
import { type DoctorFinding, fail, pass, plainly, skip } from './check.ts'

/** Fetches a token for Azure Relay and checks whose it is. */
export async function tokenFindings(config: Config, clock: Clock): Promise<readonly DoctorFinding[]> {
	const { type } = config.credentials
	try {
		const { token, expiresOnTimestamp } = await tokenSource(config, clock)()
		const minutes = Math.round((expiresOnTimestamp - clock.now()) / 60_000)
		return [pass('A1', `a token of type ${type}, valid for ${minutes} minutes`), audience(token, config)]
	} catch (error) {
		return [fail('A1', plainly(error), tokenRemedy(config))]
	}
}

/** Audience and identity of an Entra token. The token contains no roles: the service looks them up. */
function audience(token: string, { relay, credentials }: Config): DoctorFinding {
	if (credentials.type === 'sas') return pass('A2', `the token is signed with the key ${credentials.keyName}`)
	const claims = claimsOf(token)
	if (claims === undefined) return skip('A2', 'the token is unreadable')
	const seen = `the token is for ${claims.aud}, of the identity ${claims.oid}`
	if (claims.aud?.replace(/\/$/, '') === relay.audience.replace(/\/$/, ''))
		return pass('A2', `${seen}, which needs the role Azure Relay Listener on ${relay.hybridConnection}`)
	return fail('A2', seen, `The service expects the audience ${relay.audience}. Check "audience" in relay.`)
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
			return `Write the key with the right Listen to ${credentials.keyFile}, readable only by the user of the agent.`
		case 'arc':
			return 'Check that Azure Arc is connected (azcmagent show), and that the user of the agent is in the group himds.'
		case 'certificate':
			return 'Compare tenantId, clientId and the certificate with the app registration. This machine must reach login.microsoftonline.com:443.'
	}
}
