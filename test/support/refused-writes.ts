import type { Send } from '../../shared/storage/table/tables.ts'

/** A storage account on which the operator has the role Storage Table Data Reader alone, while `isOn`. */
export function refusedWrites() {
	const role = { isOn: false, tried: 0 }
	const intercept =
		(send: Send): Send =>
		async (request) => {
			if (!role.isOn || request.method === 'GET') return send(request)
			role.tried++
			return { status: 403, headers: { get: () => undefined }, text: JSON.stringify(refusal) }
		}
	return { role, intercept }
}

const refusal = {
	'odata.error': {
		code: 'AuthorizationPermissionMismatch',
		message: {
			lang: 'en-US',
			value: 'This request is not authorized to perform this operation using this permission.',
		},
	},
}
