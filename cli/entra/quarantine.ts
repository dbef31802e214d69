import type { SynchronizationJob } from './synchronization.ts'

// https://learn.microsoft.com/entra/identity/app-provisioning/application-provisioning-quarantine-status
// https://learn.microsoft.com/graph/api/resources/synchronization-synchronizationquarantine

type Quarantine = NonNullable<NonNullable<SynchronizationJob['status']>['quarantine']>

/** What each reason means, and what lifts the quarantine. */
const reasons: Readonly<Record<string, readonly [meaning: string, remedy: string]>> = {
	EncounteredQuarantineException: [
		'Entra cannot sign in to the Tenant URL',
		'make a new token for Entra with rollcall token rotate TENANT --entra, then run connect entra again',
	],
	EncounteredBaseEscrowThreshold: [
		'too many of the first users failed',
		'mend what rollcall failures TENANT shows, then restart provisioning in the portal',
	],
	EncounteredTotalEscrowThreshold: [
		'more than 60,000 objects failed',
		'mend what rollcall failures TENANT shows, then restart provisioning in the portal',
	],
	EncounteredEscrowProportionThreshold: [
		'more than 40 % of the objects failed',
		'mend what rollcall failures TENANT shows, then restart provisioning in the portal',
	],
	TooManyDeletes: [
		'one cycle would have deleted more objects than the threshold for accidental deletions',
		'look in the portal whether the deletions are wanted, then allow or reject them there',
	],
	QuarantinedOnDemand: ['an administrator put the job into quarantine', 'restart provisioning in the portal'],
	IngestionInterrupted: ['Entra could not read the users to provision', 'wait for the next attempt of Entra'],
}

/** A quarantine in words, and what lifts it. Entra tries once a day, and switches the job off after four weeks. */
export function quarantineInWords({ reason, currentBegan, nextAttempt, error }: Quarantine): readonly string[] {
	const [meaning, remedy] = reasons[reason ?? ''] ?? [
		`Entra gives the reason ${reason ?? 'unknown'}`,
		'look at the provisioning page of the application in the portal',
	]
	return [
		`in quarantine${currentBegan ? ` since ${currentBegan}` : ''}: ${meaning}`,
		...(error?.message || error?.code ? [`Entra says: ${error.message || error.code}`] : []),
		...(nextAttempt ? [`next attempt: ${nextAttempt}`] : []),
		`what helps: ${remedy}`,
		'Entra switches the job off after four weeks in quarantine.',
	]
}
