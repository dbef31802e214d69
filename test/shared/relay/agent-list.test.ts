import { describe, expect, test } from 'vitest'
import {
	type AgentList,
	newestVersion,
	parseAgents,
	rotationLife,
	withNewAgent,
	withOfflineAgent,
	withoutAgent,
	withoutRotation,
	withRotation,
} from '../../../shared/relay/agent-list.ts'
import { maxAgents } from '../../../shared/relay/enrolment.ts'
import { updateAgents } from '../../../shared/storage/agents.ts'
import { connectTables, type Send } from '../../../shared/storage/table/tables.ts'
import { useAzurite } from '../../support/azurite.ts'

const azurite = useAzurite()
const now = Date.UTC(2026, 0, 1)
const idOf = (number: number): string => `0b7e6a52-2d0f-4a57-9c66-${String(number).padStart(12, '0')}`

/** Loses the answer of the first change. */
function lossy(): (send: Send) => Send {
	let isLost = false
	return (send) => async (request) => {
		const answer = await send(request)
		if (isLost || request.path !== '$batch') return answer
		isLost = true
		throw new Error('the connection was closed')
	}
}

const additions = {
	'a code': (list: AgentList, id: string) => withNewAgent(list, { id, secret: 's'.repeat(43) }, now),
	'a key of Azure Relay': (list: AgentList, id: string) =>
		withOfflineAgent(list, { id, offlineRule: 'offline-1' }, now),
} as const

test('an agent that is removed twice was removed at the first time', () => {
	const list = withNewAgent(parseAgents(undefined), { id: idOf(1), secret: 's'.repeat(43) }, now)
	if (list === 'full') throw new Error('the list was empty')
	const removed = withoutAgent(list, idOf(1), now)
	expect(withoutAgent(removed, idOf(1), now + 1000)).toEqual(removed)
})

test('an agent cannot name a version that is newer than a released app', () => {
	const publicKey = { kty: 'EC', crv: 'P-256', x: 'x'.repeat(43), y: 'y'.repeat(43) } as const
	const agent = { id: idOf(1), created: new Date(now).toISOString(), publicKey, version: '999.0.0' }
	const list = parseAgents(JSON.stringify({ agents: [agent] }))
	expect(newestVersion(list, '0.3.0')).toBe('0.3.0')
})

test('one process at a time renews a key, and the next when the first has ended or was interrupted', () => {
	const rotation = { id: 'first', begun: new Date(now).toISOString() }
	const started = withRotation(parseAgents(undefined), 'first', now)
	if (!('list' in started)) throw new Error('no other process renews a key')
	const { list } = started
	expect(list).toEqual({ signer: 'primary', agents: [], rotation })
	expect(withRotation(parseAgents(JSON.stringify(list)), 'second', now + rotationLife - 1)).toEqual({
		busySince: rotation.begun,
	})
	expect(withRotation(list, 'first', now)).toEqual({ list })
	expect(withoutRotation(list, 'first')).toEqual({ signer: 'primary', agents: [] })
	const late = withRotation(list, 'second', now + rotationLife)
	expect(late).toMatchObject({ list: { rotation: { id: 'second' } } })
	if ('list' in late) expect(withoutRotation(late.list, 'first')).toEqual(late.list)
})

describe.each(Object.entries(additions))('an agent that gets %s', (name, add) => {
	test.each([1, maxAgents])('as number %i is listed once if the answer of storage was lost', async (number) => {
		const others = Array.from({ length: number - 1 }, (_, each) => idOf(each + 1)).reduce<AgentList>((list, id) => {
			const next = withNewAgent(list, { id, secret: 's'.repeat(43) }, now)
			return next === 'full' ? list : next
		}, parseAgents(undefined))
		const tables = connectTables({ connectionString: azurite().connectionString }, { intercept: lossy() })
		const table = `agents${number}${name.length}`
		await connectTables({ connectionString: azurite().connectionString }).createTable(table)
		const answer = await updateAgents<{ readonly list: AgentList | 'full' }>(
			tables.table(table, 'acme'),
			async () => {},
			(json) => {
				const list = add(json === undefined ? others : parseAgents(json), idOf(0))
				return list === 'full' ? { answer: { list } } : { json: JSON.stringify(list), answer: { list } }
			},
		)
		expect(answer.list).toMatchObject({ agents: expect.any(Array) })
		const { agents } = answer.list === 'full' ? parseAgents(undefined) : answer.list
		expect(agents).toHaveLength(number)
		expect(agents.filter(({ id }) => id === idOf(0))).toHaveLength(1)
	})
})
