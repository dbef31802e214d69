import { expect, test } from 'vitest'
import { userType } from '../../../shared/scim/resource-type.ts'
import { newDirectory } from '../../support/directory.ts'
import { simulateTableService } from '../../support/simulator/table-service.ts'

test('a transaction without an answer is not sent again after 15 seconds', async () => {
	const directory = await newDirectory(simulateTableService())
	let now = Date.now()
	const sent: string[] = []
	const slow = directory.open(
		(send) => async (request) => {
			sent.push(request.method)
			if (request.method !== 'POST') return send(request)
			now += 10_000
			throw new Error('the operation timed out')
		},
		() => now,
	)
	const draft = { id: directory.ids('User'), attributes: { userName: 'joy' } }
	await expect(slow.create(userType, draft)).rejects.toMatchObject({ status: 503 })
	expect(sent).toEqual(['POST', 'GET', 'POST', 'GET'])
})
