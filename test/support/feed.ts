import type { FeedStage } from '../../shared/storage/rows/directory.ts'

/** How the directories of tests write their feeds. `FEED=operations npx vitest run …` runs any test without epochs. */
export const testFeed: FeedStage = process.env.FEED === 'operations' ? 'operations' : 'epochs'
