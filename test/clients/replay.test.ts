import { describe, expect, it } from 'vitest'
import { useHost } from '../support/host.ts'
import { recordings, replay } from './recordings.ts'

const host = useHost()

/** A path below the Tenant URL `https://<host>/scim/<tenant>/?aadOptscim062020`, as administrators type it. */
const flagged = (path: string) => `/${path}${path.includes('?') ? '&' : '?'}aadOptscim062020`

async function expectAsRecorded(file: string, belowTenantUrl?: (path: string) => string) {
	for await (const { name, received, expected } of replay(await host(), file, belowTenantUrl)) {
		expect(received, name).toEqual(expected)
	}
}

describe.each(recordings)('%s', (file) => {
	it('is answered as recorded', () => expectAsRecorded(file))

	it('is answered in the same way if the Tenant URL ends with a slash and a feature flag', () =>
		expectAsRecorded(file, flagged))
})
