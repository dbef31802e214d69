import { expect, test } from 'vitest'
import type { HealthCheck } from '../../functions/call.ts'
import { rememberChecks } from '../../functions/health.ts'

test('storage, vault and relay are asked once for 500 probes of a tenant that overlap or follow each other', async () => {
	const asked: string[] = []
	let time = 0
	let answer = (_checks: readonly HealthCheck[]) => {}
	const checks = rememberChecks(
		({ name }: { name: string }) => {
			asked.push(name)
			return new Promise<readonly HealthCheck[]>((resolve) => {
				answer = resolve
			})
		},
		() => time,
	)
	const overlapping = Array.from({ length: 250 }, () => checks({ name: 'acme' }))
	time += 12_000
	overlapping.push(checks({ name: 'acme' }))
	answer([{ name: 'tokens', status: 'ok', milliseconds: 1 }])
	expect(new Set((await Promise.all(overlapping)).flat())).toHaveLength(1)
	time += 9_999
	await Promise.all(Array.from({ length: 250 }, () => checks({ name: 'acme' })))
	expect(asked).toEqual(['acme'])
	void checks({ name: 'globex' })
	time += 1
	void checks({ name: 'acme' })
	expect(asked).toEqual(['acme', 'globex', 'acme'])
})
