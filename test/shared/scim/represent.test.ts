import { describe, expect, it } from 'vitest'
import { represent } from '../../../shared/scim/represent.ts'
import type { ResourceId, StoredResource } from '../../../shared/scim/resource.ts'
import { groupType, userType } from '../../../shared/scim/resource-type.ts'

const stored = (attributes: StoredResource['attributes']): StoredResource => ({
	id: '0198aa00aaaa7000800000000000abcd' as ResourceId, // sound: it has the form of a user's id
	attributes,
	version: '1',
	created: '2026-11-25T20:58:01.000Z',
	lastModified: '2026-11-25T20:58:01.000Z',
})

describe('a user stored without active', () => {
	it('is active; a group has no such attribute', () => {
		expect(represent(stored({ userName: 'joy' }), userType, '/scim/a')).toMatchObject({ active: true })
		expect(represent(stored({ userName: 'joy', active: false }), userType, '/scim/a')).toMatchObject({ active: false })
		expect(represent(stored({ displayName: 'Ops' }), groupType, '/scim/a')).not.toHaveProperty('active')
	})
})
