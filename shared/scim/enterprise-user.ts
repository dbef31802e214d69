import * as z from 'zod'
import { complex, reference, string } from './attribute.ts'

/** RFC 7643 section 4.3. */
export const enterpriseUser = z.object({
	employeeNumber: string({ description: 'The number by which the organization knows the user.' }),
	costCenter: string({ description: 'The cost center.' }),
	organization: string({ description: 'The organization.' }),
	division: string({ description: 'The division.' }),
	department: string({ description: 'The department.' }),
	manager: complex(
		{
			value: string({
				description: "The id of the manager's User. It is not checked against the users.",
				caseExact: true,
			}),
			$ref: reference({ description: "The address of the manager's User.", referenceTypes: ['User'] }),
			// displayName is optional (RFC 7643 section 4.3). It is left out: it would cost one more storage request for each user.
		},
		{ description: 'The manager.' },
	),
})
