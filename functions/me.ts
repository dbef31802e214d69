import { notImplemented } from '../shared/scim/error.ts'
import type { Handler } from './call.ts'

/** RFC 7644 section 3.11: a token stands for a provisioning client, not for a user, so there is no "me". */
export const me: Handler = async () => {
	throw notImplemented('/Me is not supported: a token does not belong to a user')
}
