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
			// Not displayName, which RFC 7643 section 4.3 leaves optional: it would be one more request for each user that is read.
		},
		{ description: 'The manager.' },
	),
})
