import type { TargetCommand } from './command.ts'
import { Failure } from './failure.ts'
import { noSubject } from './history.ts'
import { tenantNamed } from './tenant.ts'

/** Takes a person out of the ledger. The person's record in the directory stays. */
export const erasePerson: TargetCommand =
	({ args: [name = '', text = ''] }) =>
	async (target) => {
		const ledger = target.ledger(await tenantNamed(target, name))
		const subjects = await ledger.find(text)
		if (subjects.length === 0) throw noSubject(target, name, text)
		const users = subjects.filter(({ type }) => type === 'User')
		const [user] = users
		if (user === undefined) {
			throw new Failure(`${JSON.stringify(text)} is a group`, { hint: 'only a person is taken out of the ledger' })
		}
		if (users.length > 1) {
			throw new Failure(`${users.length} people had the name ${JSON.stringify(text)}`, {
				hint: `give one of the ids: ${users.map(({ id }) => id).join(', ')}`,
			})
		}
		const erased = await ledger.erase(user.id)
		return {
			text: `The user ${user.id} was taken out of the ledger: the values of ${erased.entries} entries, ${erased.historyRows} rows of the history and ${erased.refusals} refusals. The directory is as it was.`,
			json: { name, id: user.id, ...erased },
		}
	}
