import type { Timer } from '../../functions/timer.ts'

/** A timer that runs nothing, for work that would disturb what a test measures. */
export const never: Timer = () => () => {}

/** A random number for which no creation folds counts: a fold takes requests that a test does not count. */
export const noFold = (): number => 1
