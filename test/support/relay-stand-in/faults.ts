/** Faults of the stand-in. A test changes them while it runs. */
export type Faults = {
	/** Status while there is no listener. The documents name all three. */
	noListenerStatus: 404 | 502 | 503
	/**
	 * What happens to requests whose listener disconnects. The documents cover this only in part. `fail`: 504 at once.
	 * `rendezvous`: without its control channel the listener may still answer by rendezvous. If it drops the rendezvous,
	 * the sender's connection closes. `wait`: no listener can answer any more, and the status is 504 after 60 s.
	 */
	lostListener: 'fail' | 'rendezvous' | 'wait'
	/** What happens to the next handshakes of listeners, in order. */
	nextListens: (number | 'hang')[]
	rendezvous: 'open' | 'refuse' | 'expire' | 'hang'
	/** Status of the next requests of senders, in order. */
	nextSends: number[]
	/** Refuses PATCH. */
	refusePatch: boolean
	/** Delivers each request twice. */
	duplicate: boolean
	/** Sends bodies in frames of this length, in bytes. */
	fragment: number | undefined
	/** Sends bodies to listeners and senders in pieces, with a pause after each. */
	drip: { readonly bytes: number; readonly pause: number } | undefined
	/** Never sends the announced body. */
	omitBody: boolean
	/** Rewrites the query as the tests of the service show. */
	mangle: boolean
	/**
	 * What happens to the rendezvous and to the sender's connection after an answer. `kept`: both stay, and the next request
	 * of the connection goes by the rendezvous. `closed`: both close. `released`: the service closes the rendezvous, and routes
	 * the next request of the connection anew. Microsoft's listener for .NET closes each rendezvous itself, so a sender that
	 * keeps its connection gets every answer only with `released`. Microsoft's listener for Node works with all three.
	 */
	rendezvousAfterAnswer: 'kept' | 'closed' | 'released'
	/** Cuts the answer off after so many bytes. */
	cutAnswerAt: number | undefined
}

export const noFaults = (): Faults => ({
	noListenerStatus: 404,
	lostListener: 'rendezvous',
	nextListens: [],
	rendezvous: 'open',
	nextSends: [],
	refusePatch: false,
	duplicate: false,
	fragment: undefined,
	drip: undefined,
	omitBody: false,
	mangle: false,
	rendezvousAfterAnswer: 'kept',
	cutAnswerAt: undefined,
})
