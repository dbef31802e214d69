import * as z from 'zod'
import { jsonIn } from '../../shared/json-in.ts'
import type { Clock } from '../../shared/relay/clock.ts'
import type { Config } from '../config.ts'
import { tokenSource } from '../credentials.ts'
import { type DoctorFinding, fail, notReached, pass, plainly, skip } from './check.ts'

/** Fetches a token for Azure Relay and checks whose it is. */
export async function tokenFindings(config: Config, clock: Clock): Promise<readonly DoctorFinding[]> {
	const { type } = config.credentials
	try {
		const { token, expiresOnTimestamp } = await tokenSource(config, clock)()
		const minutes = Math.round((expiresOnTimestamp - clock.now()) / 60_000)
		return [pass('A1', `a token of type ${type}, valid for ${minutes} minutes`), audience(token, config)]
	} catch (error) {
		return [fail('A1', plainly(error), tokenRemedy(config)), ...notReached(['A2'], 'A1')]
	}
}

/** Audience and identity of an Entra token. The token contains no roles: the service looks them up. */
function audience(token: string, { relay, credentials }: Config): DoctorFinding {
	if (credentials.type === 'sas')
		return skip('A2', `a token of the key ${credentials.keyName} names no identity; A3 shows whether Azure accepts it`)
	if (credentials.type === 'enrolled')
		return skip('A2', `a token that the app has signed names no identity; A3 shows whether Azure accepts it`)
	const { aud, oid } = claimsOf(token) ?? {}
	if (aud === undefined) return skip('A2', 'the token is unreadable')
	const seen = `the token is for ${aud}, of the identity ${oid}`
	if (aud.replace(/\/$/, '') === relay.audience.replace(/\/$/, ''))
		return pass('A2', `${seen}, which needs the role Azure Relay Listener on ${relay.hybridConnection}`)
	return fail('A2', seen, `The service expects the audience ${relay.audience}. Check "audience" in relay.`)
}

const claims = z.object({ aud: z.string(), oid: z.string().default('unknown') })

function claimsOf(token: string): z.infer<typeof claims> | undefined {
	return claims.safeParse(jsonIn(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())).data
}

function tokenRemedy({ credentials }: Config): string {
	switch (credentials.type) {
		case 'enrolled':
			return `This machine must reach ${new URL(credentials.url).host}:443. If the agent was removed, ask for a code (rollcall agent add) and give it to rollcall-relay enrol.`
		case 'sas':
			return `Write the key with the right Listen to ${credentials.keyFile}, readable only by the user of the agent.`
		case 'arc':
			return 'Check that Azure Arc is connected (azcmagent show), and that the user of the agent is in the group himds.'
		case 'certificate':
			return 'Compare tenantId, clientId and the certificate with the app registration. This machine must reach login.microsoftonline.com:443.'
	}
}
