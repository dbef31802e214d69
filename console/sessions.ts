import { createHash, timingSafeEqual } from 'node:crypto'

/** The sessions of a console. A link works once, and is exchanged for a session. */
export type Sessions = {
	/** Makes the key of a new link: 43 characters of base64url. An older link that was not used works no longer. */
	newLink(): string
	/** The key of a new session, if `key` is that of the newest link. The link works no longer. */
	exchange(key: string): Promise<string | 'refused' | 'busy'>
	/** A key that lets the owner of this process, and other programs of the owner, make links. It is made at the start. */
	readonly ownerKey: string
	/** The key of a new link, if `ownerKey` is the right one. */
	newLinkFor(ownerKey: string): Promise<string | 'refused' | 'busy'>
	/** Whether a session is open. A request by a person keeps it open for 8 hours; one by a timer of the page does not. */
	check(session: string, by: 'person' | 'timer'): Promise<'open' | 'refused' | 'busy'>
}

export type SessionsOptions = {
	/** Milliseconds since 1970. */
	readonly now: () => number
	readonly randomBytes: (size: number) => Buffer
	readonly pause: (milliseconds: number) => Promise<void>
}

/** A session ends after this time without a request by a person. */
const sessionIdle = 8 * 3_600_000

/** A wrong key is answered after this time, in milliseconds, and this many wait at a time. The right key never waits. */
const wrongKeyPause = 1_000
const wrongKeysAtATime = 16

export function createSessions({ now, randomBytes, pause }: SessionsOptions): Sessions {
	let link: Buffer | undefined
	let sessions: readonly OpenSession[] = []
	let wrongKeys = 0
	const newKey = (): string => randomBytes(32).toString('base64url')
	const slowly = async <T>(compare: () => T | undefined): Promise<T | 'refused' | 'busy'> => {
		const answer = compare()
		if (answer !== undefined) return answer
		if (wrongKeys >= wrongKeysAtATime) return 'busy'
		wrongKeys++
		await pause(wrongKeyPause)
		wrongKeys--
		return 'refused'
	}
	const ownerKey = newKey()
	const newLink = (): string => {
		const key = newKey()
		link = digestOf(key)
		return key
	}
	return {
		newLink,
		ownerKey,
		newLinkFor: (key) => slowly(() => (timingSafeEqual(digestOf(ownerKey), digestOf(key)) ? newLink() : undefined)),
		exchange: (key) =>
			slowly(() => {
				if (link === undefined || !timingSafeEqual(link, digestOf(key))) return undefined
				link = undefined
				const session = newKey()
				sessions = [...stillOpen(sessions, now()), { digest: digestOf(session), used: now() }]
				return session
			}),
		check: (key, by) =>
			slowly(() => {
				sessions = stillOpen(sessions, now())
				const digest = digestOf(key)
				// Each session is compared, so that the time says nothing about which one is nearest.
				const [session] = sessions.filter((each) => timingSafeEqual(each.digest, digest))
				if (session === undefined) return undefined
				if (by === 'person') session.used = now()
				return 'open'
			}),
	}
}

type OpenSession = { readonly digest: Buffer; used: number }

const stillOpen = (sessions: readonly OpenSession[], now: number): readonly OpenSession[] =>
	sessions.filter(({ used }) => now - used < sessionIdle)

const digestOf = (key: string): Buffer => createHash('sha256').update(key).digest()
