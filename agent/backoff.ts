/** What keeps an agent from listening. */
export type OfflineReason = 'network' | 'proxy_auth' | 'auth_failed' | 'entity_missing' | 'quota'

const second = 1000

/**
 * Milliseconds until the next attempt. `attempt` counts from 0. The first reconnection comes at once, because the service
 * drops every control channel once a day. A refusal is retried: a new role assignment takes up to 5 minutes to work.
 */
export function retryDelay(attempt: number, trouble: OfflineReason, random: () => number): number {
	switch (trouble) {
		case 'network':
			return attempt === 0 ? random() * 200 : random() * Math.min(30 * second, 500 * 2 ** attempt)
		case 'proxy_auth':
		case 'auth_failed':
			return Math.min(300 * second, 30 * second * 2 ** attempt) * (0.75 + random() / 4)
		case 'entity_missing':
		case 'quota':
			return 60 * second * (0.75 + random() / 4)
	}
}
