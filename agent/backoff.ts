/** What keeps an agent from listening. */
export type OfflineReason = 'network' | 'auth_failed' | 'entity_missing' | 'quota'

const second = 1000

/**
 * Milliseconds until the next attempt, `attempt` counting from 0. A first loss is mended at once: the service drops every
 * control channel once a day. A role takes up to 5 minutes to work, so that a refusal is no reason to give up.
 */
export function retryDelay(attempt: number, trouble: OfflineReason, random: () => number): number {
	switch (trouble) {
		case 'network':
			return attempt === 0 ? random() * 200 : random() * Math.min(30 * second, 500 * 2 ** attempt)
		case 'auth_failed':
			return Math.min(300 * second, 30 * second * 2 ** attempt) * (0.75 + random() / 4)
		case 'entity_missing':
		case 'quota':
			return 60 * second * (0.75 + random() / 4)
	}
}
