import type { Timer } from '../../functions/timer.ts'

/** A timer that runs nothing, for work that would disturb what a test measures. */
export const never: Timer = () => () => {}
