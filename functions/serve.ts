import { type Respond, respondWith } from './respond.ts'
import { createServices } from './services.ts'
import type { Settings } from './settings.ts'
import { type SweepEvent, sweepAll } from './sweep.ts'

/** What the triggers run. It is one import, so that the app loads after the triggers are registered. */
export type TriggerHandlers = {
	readonly respond: Respond
	readonly sweep: (log: (event: SweepEvent) => void) => Promise<void>
}

export async function serve(settings: Settings): Promise<TriggerHandlers> {
	const services = await createServices(settings)
	return { respond: respondWith(services), sweep: (log) => sweepAll(services, log) }
}
