import { settingsOf } from '../shared/tenants/settings.ts'
import type { TargetCommand } from './command.ts'
import { guardLine, guardStatusOf } from './guard.ts'
import { table } from './table.ts'
import { countsOf, tenantNamed } from './tenant.ts'

/** Tells how a tenant is doing. */
export const showStatus: TargetCommand =
	({ args: [name = ''] }) =>
	async (target) => {
		const tenant = await tenantNamed(target, name)
		const ledger = target.ledger(tenant)
		const [counts, uses, lastWrite, failures, guard] = await Promise.all([
			tenant.mode === 'store' ? countsOf(target, tenant) : undefined,
			target.lastUses(tenant),
			tenant.mode === 'store' ? ledger.lastWrite() : undefined,
			failuresSince(ledger.refusalsSince(startOfDay())),
			guardStatusOf(target, tenant),
		])
		const lastRequest = [...uses.values()].sort().at(-1)
		const { relay } = target
		const relayLine = tenant.mode === 'store' ? 'none' : 'missing' in relay ? relay.missing : relay.namespace
		return {
			text: table([
				['People', counts === undefined ? 'in the SCIM server' : String(counts.users)],
				['Groups', counts === undefined ? 'in the SCIM server' : String(counts.groups)],
				['Last request', lastRequest === undefined ? 'none is known' : `${lastRequest} or up to an hour later`],
				['Last write', lastWrite ?? (tenant.mode === 'store' ? 'none is known' : 'in the SCIM server')],
				['Failures today', String(failures)],
				['Guard', guardLine(guard)],
				['History', settingsOf(tenant).history],
				['Relay', relayLine],
			]),
			json: {
				name,
				mode: tenant.mode,
				...counts,
				...(lastRequest !== undefined && { lastRequest }),
				...(lastWrite !== undefined && { lastWrite }),
				failuresToday: failures,
				...(guard !== undefined && { guard }),
				history: settingsOf(tenant).history,
				...(tenant.mode === 'relay' && { relay }),
			},
		}
	}

const startOfDay = (): number => new Date().setUTCHours(0, 0, 0, 0)

async function failuresSince(pages: AsyncIterable<readonly { readonly count: number }[]>): Promise<number> {
	let total = 0
	for await (const page of pages) for (const { count } of page) total += count
	return total
}
