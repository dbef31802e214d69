import type { FeedStage } from '../../shared/storage/rows/directory.ts'

/** How the directories of tests write their feeds. `FEED=epochs npx vitest run …` runs any test with epochs. */
export const testFeed: FeedStage = process.env.FEED === 'epochs' ? 'epochs' : 'operations'
