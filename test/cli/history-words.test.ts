import { expect, test } from 'vitest'
import { eventInWords } from '../../cli/history-words.ts'

const none = { first: [], total: 0 }
const joy = { id: '1', name: 'joy' }
const unnamed = { id: '2' }

test.each([
	['members', { added: { first: [joy], total: 1 }, removed: none }, '1 member added: joy'],
	['members', { added: { first: [joy, unnamed], total: 5 }, removed: none }, '5 members added: joy, 2 and 3 more'],
	[
		'members',
		{ added: { first: [joy], total: 1 }, removed: { first: [unnamed], total: 1 } },
		'1 member added: joy; 1 member removed: 2',
	],
	['members', { added: { first: [joy] }, removed: { first: [] } }, 'members added: joy and more'],
	['create', { added: { first: [joy], total: 2 }, removed: none }, 'created with 2 members: joy and 1 more'],
	['delete', { added: none, removed: { first: [joy], total: 1 } }, 'deleted; 1 member removed: joy'],
])('a change %s of the members %j is told as %s', (kind, members, words) => {
	const changed = kind === 'members' ? ['members'] : []
	expect(eventInWords({ operation: '', epoch: '', kind, changed, members })).toBe(words)
})

test.each([
	['members', ['+1', '+2', '-3'], '2 members added; 1 member removed'],
	['create', ['+1'], 'created with 1 member'],
	['create', [], 'created'],
	['update', ['members'], 'members changed'],
])('without names, a change %s of %j is told by its numbers', (kind, changed, words) => {
	expect(eventInWords({ operation: '', epoch: '', kind, changed })).toBe(words)
})
