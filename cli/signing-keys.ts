import { randomBytes } from 'node:crypto'
import { UsageError } from '../shared/cli/usage-error.ts'
import type { TargetCommand } from './command.ts'
import { parseDuration } from './duration.ts'
import type { DeploymentTarget } from './target.ts'
import { tenantNamed } from './tenant.ts'
import { statesOf } from './token-store.ts'

const newKey = (): string => randomBytes(32).toString('base64url')

/** Makes sure that the access tokens of a tenant can be signed. */
export async function ensureSigningKey(target: DeploymentTarget, name: string): Promise<void> {
	const states = statesOf(await target.signingKeys.list(name), Date.now())
	if (!states.includes('accepted')) await target.signingKeys.add(name, newKey())
}

/** A running host knows a new key within this time, in milliseconds. No host signs with the key before. */
const lead = 15 * 60_000
/** The longest life of an access token is six hours. */
const defaultOverlap = '7h'

/**
 * Makes another key for the access tokens of a tenant. The older keys verify until the tokens that they have signed have
 * ended. Without an overlap they are disabled at once, and their tokens end.
 */
export const rotateKey: TargetCommand = ({ args: [name = ''], values }) => {
	const overlap = overlapOf(values.overlap)
	return async (target) => {
		await tenantNamed(target, name)
		const ending = (await target.signingKeys.list(name)).filter(({ enabled }) => enabled)
		const starts = Date.now() + (overlap === 0 ? 0 : lead)
		const ends = Math.ceil((starts + overlap) / 1000) * 1000
		const added = await target.signingKeys.add(name, newKey(), overlap === 0 ? {} : { notBefore: starts })
		for (const key of ending) {
			if (overlap === 0) await target.signingKeys.change(name, key, { enabled: false })
			else if ((key.expires ?? Number.POSITIVE_INFINITY) > ends)
				await target.signingKeys.change(name, key, { expires: ends })
		}
		const { version } = added
		const [from, until] = [new Date(starts).toISOString(), new Date(ends).toISOString()]
		return {
			text:
				overlap === 0
					? `The key ${version} signs from now on. Access tokens of the older keys are refused within ten minutes.`
					: `The key ${version} signs from ${from}. The older keys verify until ${until}.`,
			json: { name, version, signsFrom: from, ending: ending.map((key) => ({ version: key.version, until })) },
		}
	}
}

function overlapOf(text = defaultOverlap): number {
	const overlap = parseDuration(text)
	if (overlap !== undefined && overlap <= (parseDuration('90d') ?? 0)) return overlap
	throw new UsageError(`--overlap ${text} is not a valid time`, {
		hint: 'use a time such as 7h, up to 90d; or 0s to end all access tokens now',
	})
}
