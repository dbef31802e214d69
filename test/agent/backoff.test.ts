import { expect, test } from 'vitest'
import { type OfflineReason, retryDelay } from '../../agent/backoff.ts'

test.each<[OfflineReason, number, number, number]>([
	['network', 0, 0, 200],
	['network', 1, 0, 1000],
	['network', 3, 0, 4000],
	['network', 50, 0, 30_000],
	['proxy_auth', 0, 22_500, 30_000],
	['auth_failed', 0, 22_500, 30_000],
	['auth_failed', 9, 225_000, 300_000],
	['entity_missing', 0, 45_000, 60_000],
	['quota', 7, 45_000, 60_000],
])('%s, attempt %i: between %i and %i ms', (trouble, attempt, least, most) => {
	expect([retryDelay(attempt, trouble, () => 0), retryDelay(attempt, trouble, () => 1)]).toEqual([least, most])
})
