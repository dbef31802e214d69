/** Runs work in steps to its end. Between the steps, other work may have its turn. */
export async function inTurns<T>(
	steps: Generator<undefined, T>,
	yieldTurn: () => Promise<void> | undefined,
): Promise<T> {
	for (;;) {
		const step = steps.next()
		if (step.done) return step.value
		await yieldTurn()
	}
}
