import * as z from 'zod'
import { multiValued, reference, string } from './attribute.ts'

/** RFC 7643 section 4.2. Members are users: nested groups are refused. */
export const group = z.object({
	displayName: string({
		description: 'The name of the group. Unique in any letter case within the tenant.',
		required: true,
		uniqueness: 'server',
	}),
	externalId: string({ description: 'The identifier given by the provisioning client.', caseExact: true }),
	members: multiValued(
		{
			value: string({ description: 'The id of the user.', required: true, mutability: 'immutable', caseExact: true }),
			$ref: reference({ description: 'The address of the user.', mutability: 'immutable', referenceTypes: ['User'] }),
			type: string({ description: 'The kind of member.', mutability: 'immutable', canonicalValues: ['User'] }),
			display: string({ description: 'The name of the member, as the client gave it.', mutability: 'immutable' }),
		},
		{ description: 'The members of the group.' },
	),
})
