/** What goes wrong, and how. A test changes it while the stand-in runs. */
export type Faults = {
	/** What a sender is told while nobody listens; the documents name all three. */
	noListenerStatus: 404 | 502 | 503
	/**
	 * What becomes of requests whose listener is gone, which is documented in part only. `fail`: 504 at once.
	 * `rendezvous`: who lost the control channel may still answer by rendezvous, who drops the rendezvous drops the sender's
	 * connection. `wait`: nobody can answer them any more, and after the 60 s of every answer they are 504.
	 */
	lostListener: 'fail' | 'rendezvous' | 'wait'
	/** Fate of the next handshakes of listeners, in turn. */
	nextListens: (number | 'hang')[]
	rendezvous: 'open' | 'refuse' | 'expire' | 'hang'
	/** Fate of the next senders' requests, in turn. */
	nextSends: number[]
	/** PATCH does not pass. */
	refusePatch: boolean
	/** Each request is delivered twice. */
	duplicate: boolean
	/** Bodies go out in frames of this length. */
	fragment: number | undefined
	/** Bodies go out, to listeners and to senders, so many bytes at a time with a pause after each. */
	drip: { readonly bytes: number; readonly pause: number } | undefined
	/** The announced body never comes. */
	omitBody: boolean
	/** The query is rewritten as the service's own tests show. */
	mangle: boolean
	/**
	 * After an answer by rendezvous the channel is kept for the sender's next requests. Otherwise it ends with the answer, as
	 * Microsoft's listener for .NET has it, and the sender's connection with it.
	 */
	keepRendezvous: boolean
	/** The answer is cut off after so many bytes. */
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
	keepRendezvous: true,
	cutAnswerAt: undefined,
})
