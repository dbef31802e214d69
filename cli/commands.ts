import { check } from './check/check.ts'
import type { AtPlace, Command } from './command.ts'
import { openPlace } from './place.ts'
import { relayOptions } from './relay-settings.ts'
import { removeTenant } from './remove.ts'
import { addTenant, listTenants, setTenant, showTenant } from './tenant.ts'
import { addToken, disableToken, listTokens, rotateToken } from './token.ts'
import { exportTenant } from './transfer/export.ts'
import { importTenant } from './transfer/import.ts'
import { whereOf, whereOptions } from './where.ts'

type Placed = Omit<Command, 'run'> & { readonly work: AtPlace; readonly isFirst?: boolean }

/** A command that opens the place where tenants are, and closes it whatever happens. */
const placed = ({ work, isFirst = false, ...command }: Placed): Command => ({
	...command,
	options: [...command.options, ...whereOptions],
	async run(invocation) {
		const ready = work(invocation)
		const place = await openPlace(whereOf(invocation.values), {
			...{ isFirst, say: invocation.surroundings.err, program: invocation.surroundings.program },
		})
		try {
			return await ready(place)
		} finally {
			await place.close()
		}
	},
})

export const commands: readonly Command[] = [
	placed({
		words: 'tenant add',
		parameters: ['NAME'],
		options: ['mode', ...relayOptions],
		summary: 'make a tenant, and print its Tenant URL and Secret Token',
		work: addTenant,
		isFirst: true,
	}),
	placed({ words: 'tenant list', parameters: [], options: [], summary: 'list the tenants', work: listTenants }),
	placed({ words: 'tenant show', parameters: ['NAME'], options: [], summary: 'show a tenant', work: showTenant }),
	placed({
		words: 'tenant set',
		parameters: ['NAME'],
		options: relayOptions,
		summary: 'change the settings of a tenant of mode relay',
		work: setTenant,
	}),
	placed({
		words: 'tenant remove',
		parameters: ['NAME'],
		options: ['out', 'yes'],
		summary: 'export a tenant, and remove it with its directory and its tokens',
		work: removeTenant,
	}),
	placed({
		words: 'token add',
		parameters: ['NAME'],
		options: [],
		summary: 'add a token to a tenant, and print it this once',
		work: addToken,
	}),
	placed({
		words: 'token list',
		parameters: ['NAME'],
		options: [],
		summary: 'list the tokens of a tenant, but for their values',
		work: listTokens,
	}),
	placed({
		words: 'token disable',
		parameters: ['NAME', 'VERSION'],
		options: [],
		summary: 'disable a token for good',
		work: disableToken,
	}),
	placed({
		words: 'token rotate',
		parameters: ['NAME'],
		options: ['overlap'],
		summary: 'add a token, and let the older ones end by themselves',
		work: rotateToken,
	}),
	placed({
		words: 'export',
		parameters: ['NAME'],
		options: ['out'],
		summary: 'write the users, groups and memberships of a tenant, a line each (NDJSON)',
		work: exportTenant,
	}),
	placed({
		words: 'import',
		parameters: ['NAME', 'FILE'],
		options: [],
		summary: 'make what a file from export has and the tenant has not, with the same ids',
		work: importTenant,
	}),
	{
		words: 'check',
		parameters: ['URL'],
		options: ['token-file', 'write'],
		summary: "try a Tenant URL as Entra's Test Connection does, and Microsoft's SCIM Validator",
		run: check,
	},
]
