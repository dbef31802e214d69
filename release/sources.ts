import { execFileSync } from 'node:child_process'
import { UsageError } from '../shared/cli/usage-error.ts'

/** The commit that a release is made of. */
export type Sources = { readonly commit: string; readonly time: Date }

/** Throws a UsageError if a file differs from the commit, unless `areChangesAllowed`. */
export function sourcesOf({ areChangesAllowed }: { readonly areChangesAllowed: boolean }): Sources {
	const changes = git('status', '--porcelain')
	if (changes !== '' && !areChangesAllowed)
		throw new UsageError(`these files differ from the commit:\n${changes}`, {
			hint: 'Commit them first. For a trial: npm run release -- --allow-changes',
		})
	const [commit = '', seconds] = git('log', '-1', '--format=%H %ct').split(' ')
	return { commit: changes === '' ? commit : `${commit}-changed`, time: new Date(Number(seconds) * 1000) }
}

function git(...words: readonly string[]): string {
	try {
		return execFileSync('git', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trimEnd()
	} catch (error) {
		throw new UsageError('a release is made of a commit, and git knows none', {
			hint: 'Clone the repository with git.',
			cause: error,
		})
	}
}
